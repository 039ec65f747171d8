"""Which models a configuration allows: names, which are listed, and patterns (`claude-*`), which only allow."""

from collections.abc import Sequence
from fnmatch import fnmatchcase


def is_pattern(entry: str) -> bool:
    """Whether an entry allows names and is none itself."""
    return any(character in entry for character in "*?[")


def fits(name: str, entries: Sequence[str]) -> bool:
    """Whether a name is among the entries, or one of their patterns allows it."""
    return any(fnmatchcase(name, entry) if is_pattern(entry) else name == entry for entry in entries)


def listed(entries: Sequence[str]) -> list[str]:
    """The entries that are names."""
    return [entry for entry in entries if not is_pattern(entry)]


def allowed_name(model_id: str, provider: str, entries: Sequence[str]) -> str | None:
    """What the provider calls the model with that id (`<provider>/<name>`), if the entries allow it."""
    owner, _, name = model_id.partition("/")
    return name if owner == provider and name and fits(name, entries) else None
