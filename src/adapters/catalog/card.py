"""Reads the head of a model card, `README.md`: https://huggingface.co/docs/hub/model-cards

Only two of its lines are looked for; the YAML that they stand in is not parsed.
"""

import re
from pathlib import Path

from attrs import frozen

NAME = "README.md"

_LIMIT = 64 * 2**10
_LICENSE = re.compile(r"^license: *[\"']?([\w.+-]+)[\"']? *$", re.MULTILINE)
_GATED = re.compile(r"^extra_gated_\w+:", re.MULTILINE)


@frozen
class Card:
    """The licence that it names, and whether one has to agree to something before fetching the model."""

    license: str | None = None
    gated: bool = False


def read_card(path: Path) -> Card:
    """What the head of the card says; nothing, if it has none.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        text = file.read(_LIMIT).decode(errors="replace")
    head = text.partition("\n---")[0] if text.startswith("---\n") else ""
    found = _LICENSE.search(head)
    return Card(found[1] if found else None, bool(_GATED.search(head)))
