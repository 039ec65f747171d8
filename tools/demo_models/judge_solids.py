"""Judge tiny-solids: `python -m tools.demo_models.judge_solids [FOLDER] [--card]`. About a minute on one thread."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import mean

from . import tiny_solids
from .card import paragraph, program, share, table
from .folders import TINY_SOLIDS
from .recognise_solid import ANY_SIZE, SolidSeen, recognise
from .solids import COLOURS, SOLIDS, UNCOLOURED, Solid

GUIDANCES = (tiny_solids.GUIDANCE, 2.0, tiny_solids.PIPELINE_GUIDANCE)
SEEDS = 2
STRANGE = ("a purple hexagon", "a cat", "a red", "a red cube on a blue sphere", "a big red cube")


def judge(folder: Path) -> str:
    """The tables of the model's card."""
    pipeline = tiny_solids.load(folder)
    columns = ("Guidance", "Shape right", "Colour right", "Mean overlap", "Least overlap", "Watertight")
    rows = [(guidance, *_figures(pipeline, guidance)) for guidance in GUIDANCES]
    explained = paragraph(
        f"Prompts are `a {{colour}} {{solid}}` and `a {{solid}}` (which is white), all thirty with seeds 0 to"
        f" {SEEDS - 1}, at {tiny_solids.STEPS} steps. Overlap is the intersection over the union with the true solid,"
        f" in the one of the sizes {min(ANY_SIZE)} to {max(ANY_SIZE)} that fits best: prompts do not say the size."
        " The shape is that of most overlap."
    )
    return "\n".join([table(columns, rows), explained, _strange(pipeline)])


def _figures(pipeline: tiny_solids.Pipeline, guidance: float) -> list[str]:
    tested = list(_tested(pipeline, guidance))
    overlaps = [seen.overlaps[solid] for _, solid, seen in tested]
    return [
        share(seen.solid == solid for _, solid, seen in tested),
        share(seen.colour == colour for colour, _, seen in tested),
        f"{mean(overlaps):.3f}",
        f"{min(overlaps):.3f}",
        share(seen.watertight for *_, seen in tested),
    ]


def _tested(pipeline: tiny_solids.Pipeline, guidance: float) -> Iterator[tuple[str, Solid, SolidSeen]]:
    """Yield the colour and the solid that were asked for, and what came."""
    for solid, colour, seed in product(SOLIDS, (*COLOURS, None), range(SEEDS)):
        prompt = f"a {colour} {solid}" if colour else f"a {solid}"
        yield colour or UNCOLOURED, solid, _answer(pipeline, prompt, seed, guidance)


def _answer(pipeline: tiny_solids.Pipeline, prompt: str, seed: int, guidance: float) -> SolidSeen:
    code = tiny_solids.code(pipeline, prompt, seed, guidance=guidance)
    return recognise(pipeline.shap_e_renderer, code, ANY_SIZE)


def _strange(pipeline: tiny_solids.Pipeline) -> str:
    rows = []
    for prompt in STRANGE:
        seen = _answer(pipeline, prompt, 0, tiny_solids.GUIDANCE)
        rows.append((prompt, seen, f"{max(seen.overlaps.values()):.3f}"))
    return table(("A prompt it was not trained for", "Becomes (seed 0)", "Overlap with that"), rows)


if __name__ == "__main__":
    program(judge, TINY_SOLIDS)
