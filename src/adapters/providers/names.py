"""The models that a configuration names: names, which are listed, and patterns (`claude-*`), which only allow."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


def is_pattern(entry: str) -> bool:
    """Whether it stands for names that it does not say."""
    return any(character in entry for character in "*?[")


def fits(name: str, entries: Sequence[str]) -> bool:
    """Whether a model is one of those."""
    return any(fnmatchcase(name, entry) if is_pattern(entry) else name == entry for entry in entries)


def meant(model_id: str, provider: str, entries: Sequence[str]) -> str | None:
    """What the provider calls the model with that id, if it is one of its own and allowed."""
    owner, _, name = model_id.partition("/")
    return name if owner == provider and name and fits(name, entries) else None
