"""Ask tiny-solids or tiny-solids-from-image for solids, with the settings that suit them."""

from pathlib import Path

import torch
from diffusers import DiffusionPipeline, ShapEImg2ImgPipeline, ShapEPipeline
from PIL import Image
from torch import Tensor

Pipeline = ShapEPipeline | ShapEImg2ImgPipeline

STEPS, GUIDANCE = 16, 1.0
PIPELINE_GUIDANCE = 4.0  # what diffusers takes if it is told nothing


def load(folder: Path) -> Pipeline:
    """The model of a folder, ready to be asked; nothing is looked up in the network."""
    pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def code(pipeline: Pipeline, wish: str | Image.Image, seed: int, *, guidance: float = GUIDANCE) -> Tensor:
    """The latent code (1, 96, 8) for a prompt or a picture."""
    generator = torch.Generator().manual_seed(seed)
    settings = {"num_inference_steps": STEPS, "guidance_scale": guidance, "output_type": "latent"}
    return pipeline(wish, generator=generator, **settings).images
