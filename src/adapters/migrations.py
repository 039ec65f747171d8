"""The tables on PostgreSQL: made and upgraded by `pluggably migrate`, from the numbered files of every family.

They are in `migrations/` of the family whose tables they make; one sequence of numbers runs through all of them.

A file that was released is never changed; what comes after it is another file. Each is run once, in the order of its
number, all of them in one transaction under an advisory lock: two who migrate at once do it after each other.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psycopg
from attrs import frozen
from psycopg import Connection
from psycopg.rows import tuple_row

from ..domain.errors import GatewayError

_FOLDER = Path(__file__).parent
_LOCK = 0x504C5547  # "PLUG": any number that nobody else locks in this database
_MADE = """CREATE TABLE IF NOT EXISTS pluggably_migrations (
    number integer PRIMARY KEY, name text NOT NULL, done_at timestamptz NOT NULL DEFAULT clock_timestamp()
)"""


@frozen
class Migration:
    """One file."""

    number: int
    name: str
    sql: str


def migrations() -> tuple[Migration, ...]:
    """All that this version knows, in their order."""
    return tuple(
        Migration(int(path.stem.partition("_")[0]), path.stem, path.read_text(encoding="utf-8"))
        for path in sorted(_FOLDER.glob("*/migrations/*.sql"), key=lambda it: it.name)
    )


def run_migrations(connection: Connection[Any]) -> Sequence[str]:
    """Bring the tables of the database up to date; `connection` is in autocommit.

    Returns:
        The names of what was run; nothing if there was nothing to do.

    Raises:
        GatewayError: a newer version migrated it.
    """
    with connection.transaction():
        connection.execute("SET LOCAL search_path TO public")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(_MADE)
        pending = _pending(connection)
        for migration in pending:
            connection.execute(migration.sql.encode())
            connection.execute(
                "INSERT INTO pluggably_migrations (number, name) VALUES (%s, %s)", (migration.number, migration.name)
            )
    return [migration.name for migration in pending]


def expect_migrated(connection: Connection[Any]) -> None:
    """Look whether the tables are those of this version.

    Raises:
        GatewayError: they are not; it says what to do.
    """
    try:
        pending = _pending(connection)
    except psycopg.errors.UndefinedTable as exc:
        raise GatewayError(detail="The session database has no tables yet: run `pluggably migrate` once.") from exc
    if pending:
        raise GatewayError(
            detail=f"The session database lacks {', '.join(it.name for it in pending)}: run `pluggably migrate` once."
        )


def _pending(connection: Connection[Any]) -> tuple[Migration, ...]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        done = {row[0] for row in cursor.execute("SELECT number FROM public.pluggably_migrations").fetchall()}
    known = migrations()
    if unknown := done - {it.number for it in known}:
        raise GatewayError(
            detail=f"A newer version of the gateway migrated the session database (to {max(unknown):04}, this one "
            f"knows {known[-1].number:04}): use that version."
        )
    return tuple(it for it in known if it.number not in done)
