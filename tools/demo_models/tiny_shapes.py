"""Ask tiny-shapes for pictures, with the settings that suit it."""

from collections.abc import Iterable
from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

Pipeline = StableDiffusionPipeline

STEPS, GUIDANCE, SIZE = 20, 3.0, 32
AT_ONCE = 12


def load(folder: Path) -> Pipeline:
    """The model of a folder, ready to be asked; nothing is looked up in the network."""
    pipeline = Pipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def draw(
    pipeline: Pipeline, prompts: list[str], seeds: Iterable[int], *, steps: int = STEPS, guidance: float = GUIDANCE
) -> list[Image.Image]:
    """A picture for each prompt, from the seed beside it."""
    generators = [torch.Generator().manual_seed(seed) for _, seed in zip(prompts, seeds, strict=True)]
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), AT_ONCE):
        some = slice(start, start + AT_ONCE)
        settings = {"num_inference_steps": steps, "guidance_scale": guidance, "height": SIZE, "width": SIZE}
        pictures += pipeline(prompts[some], generator=generators[some], **settings).images
    return pictures
