"""Train tiny-solids-from-image: `python -m tools.demo_models.train_solids_from_image FOLDER [TINY_SHAPES TINY_SOLIDS]`.

A picture of a circle becomes a sphere, a square a cube, a triangle a cone, in its colour. An image encoder is trained
from nothing, the prior from that of tiny-solids; the codes and the renderer are those of tiny-solids and stay as they
are. The pictures are drawn ones and ones that tiny-shapes made.
"""

import sys
from pathlib import Path
from random import Random

import torch
from attrs import frozen
from diffusers import ShapEImg2ImgPipeline, ShapEPipeline
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

from . import tiny_shapes
from .folders import TINY_SHAPES, TINY_SOLIDS
from .latent_codes import LatentCodes
from .prior import CONDITION, WITHOUT_CONDITION, new_scheduler, train_prior
from .shapes import PAIRS, Shape, paint, varied
from .solids import COLOURS, SOLIDS, Solid
from .training import begin

BECOMES: dict[Shape, Solid] = {"circle": "sphere", "square": "cube", "triangle": "cone"}
STEPS, BATCH = 2000, 32
DRAWN_A_PAIR, MADE_A_PAIR = 800, 80
FIRST_SEED = 1000  # of the pictures that tiny-shapes makes; the judge takes lower ones
RESOLUTIONS = (24, 32, 48, 64, 128)
SIZE = 32


@frozen
class Examples:
    """Pictures as the encoder sees them (n, 3, 32, 32), and numbers of the solids and colours that they show (n)."""

    pictures: Tensor
    solids: Tensor
    colours: Tensor


def train(folder: Path, shapes_folder: Path, solids_folder: Path) -> None:
    """Train the model and save it as a diffusers folder."""
    rng = begin()
    processor = _processor()
    examples = _examples(processor, tiny_shapes.load(shapes_folder), rng)
    tiny_solids = ShapEPipeline.from_pretrained(solids_folder, local_files_only=True)
    codes = LatentCodes.load(solids_folder / "shap_e_renderer")
    encoder, scheduler, prior = _encoder(), new_scheduler(), tiny_solids.prior.train()
    train_prior(prior, encoder, scheduler, lambda: _batch(examples, encoder, codes), steps=STEPS)
    pipeline = ShapEImg2ImgPipeline(
        prior=prior.eval(),
        image_encoder=encoder.eval(),
        image_processor=processor,
        scheduler=scheduler,
        shap_e_renderer=tiny_solids.shap_e_renderer,
    )
    for part in (pipeline.prior, pipeline.shap_e_renderer):
        part.register_to_config(_name_or_path=TINY_SOLIDS.name)  # not the path on this machine
    pipeline.save_pretrained(folder, safe_serialization=True)


def _examples(processor: CLIPImageProcessorPil, shapes: tiny_shapes.Pipeline, rng: Random) -> Examples:
    drawn = PAIRS * DRAWN_A_PAIR
    pictures = [paint(varied(*pair, rng), rng.choice(RESOLUTIONS)) for pair in drawn]
    made = PAIRS * MADE_A_PAIR
    prompts = [f"a {colour} {shape}" for colour, shape in made]
    pictures += tiny_shapes.draw(shapes, prompts, range(FIRST_SEED, FIRST_SEED + len(made)))
    pairs = drawn + made
    return Examples(
        pictures=seen(processor, pictures),
        solids=torch.tensor([SOLIDS.index(BECOMES[shape]) for _, shape in pairs]),
        colours=torch.tensor([list(COLOURS).index(colour) for colour, _ in pairs]),
    )


def seen(processor: CLIPImageProcessorPil, pictures: list[Image.Image]) -> Tensor:
    """The pictures as the encoder gets them (n, 3, 32, 32)."""
    return torch.cat([processor(picture, return_tensors="pt").pixel_values for picture in pictures])


def _batch(examples: Examples, encoder: CLIPVisionModel, codes: LatentCodes) -> tuple[Tensor, Tensor]:
    """Codes of solids of the middle size, and what the pipeline makes of pictures of them; some of it struck out."""
    chosen = torch.randint(len(examples.pictures), (BATCH,))
    patches = encoder(examples.pictures[chosen]).last_hidden_state[:, 1:]
    present = torch.rand(BATCH, 1, 1) > WITHOUT_CONDITION
    return codes(examples.solids[chosen], examples.colours[chosen], torch.zeros(BATCH)), patches * present


def _processor() -> CLIPImageProcessorPil:
    """Makes 32 × 32 pixels of any picture; the one on Pillow, so that it is the same with and without torchvision."""
    return CLIPImageProcessorPil(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE})


def _encoder() -> CLIPVisionModel:
    return CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=CONDITION,
            intermediate_size=128,
            num_hidden_layers=3,
            num_attention_heads=4,
            image_size=SIZE,
            patch_size=8,
        )
    )


if __name__ == "__main__":
    train(Path(sys.argv[1]), *(map(Path, sys.argv[2:]) if sys.argv[2:] else (TINY_SHAPES, TINY_SOLIDS)))
