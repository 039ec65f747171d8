"""Draw what the shipped demo models make, for the documentation: `python -m tools.demo_models.sheet docs/pictures`."""

import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from PIL import Image

from . import tiny_shapes, tiny_solids
from .folders import TINY_SHAPES, TINY_SOLIDS, TINY_SOLIDS_FROM_IMAGE
from .meshes import mesh
from .render import render
from .shapes import PAIRS
from .solids import COLOURS, SOLIDS

TILE, GAP = 96, 4
SEEDS = 4
GRID = 96  # of the meshes


def draw(folder: Path) -> None:
    """Write a sheet for each model."""
    folder.mkdir(parents=True, exist_ok=True)
    shapes = _shapes(range(SEEDS))
    sheet(shapes, len(PAIRS)).save(folder / "tiny-shapes.png", optimize=True)
    sheet(_solids(), len(COLOURS)).save(folder / "tiny-solids.png", optimize=True)
    first = shapes[: len(PAIRS)]
    sheet([*first, *_raised(first)], len(PAIRS)).save(folder / "tiny-solids-from-image.png", optimize=True)


def sheet(tiles: Sequence[Image.Image], columns: int) -> Image.Image:
    """The tiles in rows of so many, each scaled to the same size without smoothing."""
    step = TILE + GAP
    whole = Image.new("RGB", (columns * step - GAP, len(tiles) // columns * step - GAP), "white")
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        whole.paste(tile.resize((TILE, TILE), Image.Resampling.NEAREST), (column * step, row * step))
    return whole


def _shapes(seeds: Sequence[int]) -> list[Image.Image]:
    """All pairs from one seed after the other."""
    asked = list(product(seeds, PAIRS))
    prompts = [f"a {colour} {shape}" for _, (colour, shape) in asked]
    return tiny_shapes.draw(tiny_shapes.load(TINY_SHAPES), prompts, [seed for seed, _ in asked])


def _solids() -> list[Image.Image]:
    pipeline = tiny_solids.load(TINY_SOLIDS)
    return [_picture(pipeline, f"a {colour} {solid}") for solid, colour in product(SOLIDS, COLOURS)]


def _raised(pictures: Sequence[Image.Image]) -> list[Image.Image]:
    pipeline = tiny_solids.load(TINY_SOLIDS_FROM_IMAGE)
    return [_picture(pipeline, picture) for picture in pictures]


def _picture(pipeline: tiny_solids.Pipeline, wish: str | Image.Image) -> Image.Image:
    code = tiny_solids.code(pipeline, wish, seed=0)
    return render(mesh(pipeline.shap_e_renderer, code, grid=GRID), TILE)


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
