"""Model cards: their tables are printed by the judges and put between two marks, never typed.

A judge is called with the model's folder and returns Markdown. Its program prints that; with `--card` it also puts it
into the README.md of the folder.
"""

import re
from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from pathlib import Path
from textwrap import fill

import torch

BEGIN, END = "<!-- judged: do not edit, see tools/demo_models -->\n", "<!-- end of what was judged -->\n"


def program(judge: Callable[[Path], str], folder: Path) -> None:
    """Run a judge from the command line, on the shipped `folder` if no other is named."""
    arguments = ArgumentParser(description=f"Judge a demo model: {folder.name}, or another folder of its kind.")
    arguments.add_argument("folder", type=Path, nargs="?", default=folder)
    arguments.add_argument("--card", action="store_true", help="put what is found into the folder's README.md")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    found = judge(given.folder)
    print(found)
    if given.card:
        write(given.folder / "README.md", found)


def write(card: Path, found: str) -> None:
    """Replace what stands between the marks of a card."""
    text = card.read_text()
    replaced, times = re.subn(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{found}\n{END}", text, flags=re.DOTALL)
    if times != 1:
        raise ValueError(f"{card} has {times} places for a judge's tables, not one")
    card.write_text(replaced)


def table(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def paragraph(text: str) -> str:
    """The text in lines of a readable length."""
    return fill(text, 110) + "\n"


def share(right: Iterable[bool]) -> str:
    """How many are right, as 47/48 (97.9 %)."""
    answers = list(right)
    return f"{sum(answers)}/{len(answers)} ({sum(answers) / len(answers):.1%})".replace("%", " %")
