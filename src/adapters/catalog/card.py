"""Reads the head of a model card, `README.md`: https://huggingface.co/docs/hub/model-cards

Only a few of its lines are looked for; the YAML that they stand in is not parsed.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

NAME = "README.md"

_LIMIT = 64 * 2**10
_LICENSE = re.compile(r"^license: *[\"']?([\w.+-]+)[\"']? *$", re.MULTILINE)
_INFERENCE = re.compile(r"^inference:\n  parameters:\n((?:    .*(?:\n|$))+)", re.MULTILINE)
_NUMBER = re.compile(r"^    (\w{1,64}): *(-?\d{1,9}(?:\.\d{1,9})?) *$", re.MULTILINE)
_GATED = re.compile(r"^extra_gated_\w+:", re.MULTILINE)


@frozen
class Card:
    """The licence that it names, and whether one has to agree to something before fetching the model.

    `inference` are the numbers that suit the model, by the names of the library that runs it.
    """

    license: str | None = None
    gated: bool = False
    inference: Mapping[str, float] = field(factory=dict)


def read_card(path: Path) -> Card:
    """What the head of the card says; nothing, if it has none.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(_LIMIT).decode(errors="replace")
    head = text.partition("\n---")[0] if text.startswith("---\n") else ""
    found = _LICENSE.search(head)
    return Card(found[1] if found else None, bool(_GATED.search(head)), _inference(head))


def _inference(head: str) -> Mapping[str, float]:
    block = _INFERENCE.search(head)
    numbers = _NUMBER.findall(block[1]) if block else []
    return {name: float(text) if "." in text else int(text) for name, text in numbers}
