"""Judge tiny-shapes: `python -m tools.demo_models.judge_image [FOLDER] [--card]`. A minute and a half on one thread."""

from pathlib import Path
from random import Random
from statistics import mean

from . import tiny_shapes
from .card import paragraph, program, share, table
from .folders import TINY_SHAPES
from .recognise_shape import recognise
from .shapes import PAIRS, paint, plain

SETTINGS = ((tiny_shapes.STEPS, tiny_shapes.GUIDANCE), (10, 3.0), (50, 7.5))  # the last is what diffusers takes
SEEDS = 16
TRUE_PICTURES_A_PAIR = 25
STRANGE = ("a purple hexagon", "a cat", "a red", "a circle", "a red circle and a blue square", "a big red circle")


def judge(folder: Path) -> str:
    """The tables of the model's card."""
    pipeline = tiny_shapes.load(folder)
    return "\n".join([_accuracy(pipeline), _judge_of_judge(), _strange(pipeline)])


def _accuracy(pipeline: tiny_shapes.Pipeline) -> str:
    columns = ("Steps", "Guidance", "Colour right", "Shape right", "Both right", "Mean overlap", "Least overlap")
    return table(columns, [(*setting, *_figures(pipeline, *setting)) for setting in SETTINGS])


def _figures(pipeline: tiny_shapes.Pipeline, steps: int, guidance: float) -> list[str]:
    pairs = PAIRS * SEEDS
    seeds = [number // len(PAIRS) for number in range(len(pairs))]
    prompts = [f"a {colour} {shape}" for colour, shape in pairs]
    pictures = tiny_shapes.draw(pipeline, prompts, seeds, steps=steps, guidance=guidance)
    seen = [recognise(picture) for picture in pictures]
    colours = [one.colour == colour for one, (colour, _) in zip(seen, pairs, strict=True)]
    shapes = [one.shape == shape for one, (_, shape) in zip(seen, pairs, strict=True)]
    overlaps = [one.overlaps[shape] for one, (_, shape) in zip(seen, pairs, strict=True)]
    both = share(map(bool.__and__, colours, shapes))
    return [share(colours), share(shapes), both, f"{mean(overlaps):.3f}", f"{min(overlaps):.3f}"]


def _judge_of_judge() -> str:
    rng = Random(5)
    pairs = PAIRS * TRUE_PICTURES_A_PAIR
    drawn = [recognise(paint(plain(*pair, rng), tiny_shapes.SIZE)) for pair in pairs]
    right = share((seen.colour, seen.shape) == pair for seen, pair in zip(drawn, pairs, strict=True))
    overlap = mean(seen.overlaps[shape] for seen, (_, shape) in zip(drawn, pairs, strict=True))
    return paragraph(
        f"Prompts are `a {{colour}} {{shape}}`, all twelve pairs with seeds 0 to {SEEDS - 1}. Overlap is the"
        " intersection over the union with the true shape of the same area and centre; the shape is that of most"
        f" overlap. Of pictures that were drawn, not made by a model, this tells {right} rightly; their mean overlap is"
        f" {overlap:.3f}."
    )


def _strange(pipeline: tiny_shapes.Pipeline) -> str:
    pictures = tiny_shapes.draw(pipeline, list(STRANGE), [0] * len(STRANGE))
    rows = [(prompt, recognise(picture)) for prompt, picture in zip(STRANGE, pictures, strict=True)]
    return table(("A prompt it was not trained for", "Shows (seed 0)"), rows)


if __name__ == "__main__":
    program(judge, TINY_SHAPES)
