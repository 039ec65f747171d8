"""The tables on PostgreSQL: made and upgraded by `pluggably migrate`."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from ...domain.errors import GatewayError
from .migrations import LIST, Migration, pending

_LOCK = 0x504C5547  # "PLUG": any number that nobody else locks in this database


def run_migrations(connection: Connection[Any], *, upto: int | None = None) -> Sequence[str]:
    """Bring the tables of the database up to date, or to the migration `upto`; `connection` is in autocommit.

    Returns:
        The names of what was run; nothing if there was nothing to do.

    Raises:
        GatewayError: a newer version migrated it.
    """
    with connection.transaction():
        connection.execute("SET LOCAL search_path TO public")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        connection.execute(LIST)
        waiting = [it for it in _pending(connection) if upto is None or it.number <= upto]
        for migration in waiting:
            connection.execute(migration.sql.encode())
            connection.execute(
                "INSERT INTO pluggably_migrations (number, name) VALUES (%s, %s)", (migration.number, migration.name)
            )
    return [migration.name for migration in waiting]


def expect_migrated(connection: Connection[Any]) -> None:
    """Look whether the tables are those of this version.

    Raises:
        GatewayError: they are not; it says what to do.
    """
    try:
        lacking = _pending(connection)
    except psycopg.errors.UndefinedTable as exc:
        raise GatewayError(detail="The session database has no tables yet: run `pluggably migrate` once.") from exc
    if lacking:
        raise GatewayError(
            detail=f"The session database lacks {', '.join(it.name for it in lacking)}: run `pluggably migrate` once."
        )


def _pending(connection: Connection[Any]) -> tuple[Migration, ...]:
    with connection.cursor(row_factory=tuple_row) as cursor:
        return pending(row[0] for row in cursor.execute("SELECT number FROM public.pluggably_migrations").fetchall())
