"""The tables of every family, as numbered files of SQL.

They are in `migrations/` of the family whose tables they make; one sequence of numbers runs through all of them. On
PostgreSQL `pluggably migrate` runs them, on SQLite whoever opens the file. Those of the sessions are for PostgreSQL
alone, as these have files of their own on SQLite; the others are written in what both understand.

A file that was released is never changed; what comes after it is another file. Each is run once, in the order of its
number, all of them in one transaction under a lock: two who migrate at once do it after each other.
"""

from collections.abc import Iterable
from pathlib import Path

from attrs import frozen

from ...domain.errors import GatewayError

ON_POSTGRES_ONLY = "sessions"

LIST = """CREATE TABLE IF NOT EXISTS pluggably_migrations (
    number integer PRIMARY KEY, name text NOT NULL, done_at timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP
)"""
"""Where it is kept which were run."""

_FAMILIES = Path(__file__).parent.parent


@frozen
class Migration:
    """One file."""

    number: int
    name: str
    family: str
    sql: str


def migrations() -> tuple[Migration, ...]:
    """All that this version knows, in their order."""
    return tuple(
        Migration(int(path.stem.partition("_")[0]), path.stem, path.parent.parent.name, path.read_text("utf-8"))
        for path in sorted(_FAMILIES.glob("*/migrations/*.sql"), key=lambda it: it.name)
    )


def pending(done: Iterable[int]) -> tuple[Migration, ...]:
    """Those whose number is not among the `done`.

    Raises:
        GatewayError: a number is not known here: a newer version was at work.
    """
    known, numbers = migrations(), frozenset(done)
    if unknown := numbers - {it.number for it in known}:
        raise GatewayError(
            detail=f"A newer version of the gateway migrated the database (to {max(unknown):04}, this one knows "
            f"{known[-1].number:04}): use that version."
        )
    return tuple(it for it in known if it.number not in numbers)
