"""Judge tiny-shapes: `python -m tools.demo_models.judge_image [FOLDER] [--card]`. About four minutes on one thread."""

from pathlib import Path
from random import Random

from . import tiny_shapes
from .card import paragraph, program, share, table
from .folders import TINY_SHAPES
from .recognise_shape import ShapeSeen, recognise
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
    columns = ("Steps", "Guidance", "Colour right", "Shape right", "Both right")
    return table(columns, [(*setting, *_shares(pipeline, *setting)) for setting in SETTINGS])


def _shares(pipeline: tiny_shapes.Pipeline, steps: int, guidance: float) -> list[str]:
    pairs = PAIRS * SEEDS
    seeds = [number // len(PAIRS) for number in range(len(pairs))]
    prompts = [f"a {colour} {shape}" for colour, shape in pairs]
    pictures = tiny_shapes.draw(pipeline, prompts, seeds, steps=steps, guidance=guidance)
    seen = [recognise(picture) for picture in pictures]
    colours = [one.colour == colour for one, (colour, _) in zip(seen, pairs, strict=True)]
    shapes = [one.shape == shape for one, (_, shape) in zip(seen, pairs, strict=True)]
    return [share(colours), share(shapes), share(map(bool.__and__, colours, shapes))]


def _judge_of_judge() -> str:
    rng = Random(5)
    pairs = PAIRS * TRUE_PICTURES_A_PAIR
    right = share(recognise(paint(plain(*pair, rng), tiny_shapes.SIZE)) == ShapeSeen(*pair) for pair in pairs)
    return paragraph(
        f"Prompts are `a {{colour}} {{shape}}`, all twelve pairs with seeds 0 to {SEEDS - 1}. Colour and shape are told"
        f" by a program that counts pixels; of pictures that were drawn, not made by a model, it tells {right} rightly."
    )


def _strange(pipeline: tiny_shapes.Pipeline) -> str:
    pictures = tiny_shapes.draw(pipeline, list(STRANGE), [0] * len(STRANGE))
    rows = [(prompt, recognise(picture)) for prompt, picture in zip(STRANGE, pictures, strict=True)]
    return table(("A prompt it was not trained for", "Shows (seed 0)"), rows)


if __name__ == "__main__":
    program(judge, TINY_SHAPES)
