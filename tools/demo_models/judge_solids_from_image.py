"""Judge tiny-solids-from-image: `python -m tools.demo_models.judge_solids_from_image [FOLDER] [--card]`.

About three minutes on one thread. The pictures of tiny-shapes are made by the shipped one, from seeds that were not
used in training; where it draws something else than its prompt says, that counts against the model that is judged.
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import mean

from attrs import frozen
from PIL import Image

from . import tiny_shapes, tiny_solids
from .card import paragraph, program, share, table
from .folders import TINY_SHAPES, TINY_SOLIDS_FROM_IMAGE
from .recognise_solid import MIDDLE_SIZE, SolidSeen, recognise
from .shapes import PAIRS, Drawing, Shape, paint, plain, varied
from .train_solids_from_image import BECOMES, RESOLUTIONS

DRAWN_A_PAIR = 8
STRANGE = {
    "nothing": Drawing(shape="circle", ink=(245,) * 3, background=(245,) * 3, radius=0.3, right=0, down=0),
    "a purple circle": Drawing(shape="circle", ink=(130, 40, 160), background=(245,) * 3, radius=0.3, right=0, down=0),
    "an orange square": Drawing(shape="square", ink=(240, 140, 20), background=(245,) * 3, radius=0.3, right=0, down=0),
    "a black triangle": Drawing(shape="triangle", ink=(10,) * 3, background=(245,) * 3, radius=0.3, right=0, down=0),
}


@frozen
class Sight:
    """A picture, and what is in it."""

    colour: str
    shape: Shape
    picture: Image.Image


def judge(folder: Path) -> str:
    """The tables of the model's card."""
    pipeline = tiny_solids.load(folder)
    columns = ("Pictures", "Guidance", "Shape right", "Colour right", "Both right", "Mean overlap", "Watertight")
    rows = [
        (name, guidance, *_figures(pipeline, sights, guidance))
        for guidance in (tiny_solids.GUIDANCE, tiny_solids.PIPELINE_GUIDANCE)
        for name, sights in _sights().items()
    ]
    explained = paragraph(
        f"Each set has {DRAWN_A_PAIR} pictures of each of the twelve pairs of colour and shape, none of them seen in"
        f" training; {tiny_solids.STEPS} steps. Overlap is the intersection over the union with the true solid of size"
        " 1; the shape is that of most overlap."
    )
    return "\n".join([table(columns, rows), explained, _strange(pipeline)])


def _sights() -> dict[str, list[Sight]]:
    pairs = PAIRS * DRAWN_A_PAIR
    near_middle, anywhere = Random(7), Random(8)
    prompts = [f"a {colour} {shape}" for colour, shape in pairs]
    made = tiny_shapes.draw(tiny_shapes.load(TINY_SHAPES), prompts, range(len(pairs)))
    return {
        "drawn near the middle of white, 64 × 64": [
            Sight(*pair, paint(plain(*pair, near_middle), 64)) for pair in pairs
        ],
        "drawn in any size and place on any grey": [
            Sight(*pair, paint(varied(*pair, anywhere), anywhere.choice(RESOLUTIONS))) for pair in pairs
        ],
        "made by tiny-shapes": [Sight(*pair, picture) for pair, picture in zip(pairs, made, strict=True)],
    }


def _figures(pipeline: tiny_solids.Pipeline, sights: list[Sight], guidance: float) -> list[str]:
    tested = list(_tested(pipeline, sights, guidance))
    shapes = [seen.solid == BECOMES[sight.shape] for sight, seen in tested]
    colours = [seen.colour == sight.colour for sight, seen in tested]
    return [
        share(shapes),
        share(colours),
        share(map(bool.__and__, shapes, colours)),
        f"{mean(seen.overlaps[BECOMES[sight.shape]] for sight, seen in tested):.3f}",
        share(seen.watertight for _, seen in tested),
    ]


def _tested(pipeline: tiny_solids.Pipeline, sights: list[Sight], guidance: float) -> Iterator[tuple[Sight, SolidSeen]]:
    for seed, sight in enumerate(sights):
        code = tiny_solids.code(pipeline, sight.picture, seed, guidance=guidance)
        yield sight, recognise(pipeline.shap_e_renderer, code, MIDDLE_SIZE)


def _strange(pipeline: tiny_solids.Pipeline) -> str:
    rows = []
    for name, drawing in STRANGE.items():
        seen = recognise(pipeline.shap_e_renderer, tiny_solids.code(pipeline, paint(drawing, 64), 0), MIDDLE_SIZE)
        rows.append((name, seen, f"{max(seen.overlaps.values()):.3f}"))
    return table(("A picture it was not trained for", "Becomes (seed 0)", "Overlap with that"), rows)


if __name__ == "__main__":
    program(judge, TINY_SOLIDS_FROM_IMAGE)
