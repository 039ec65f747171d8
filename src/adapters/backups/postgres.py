"""The gateway's tables in a PostgreSQL database, copied at one moment while gateways write to them, and put back.

All tables are read in one `REPEATABLE READ` transaction by `COPY … (FORMAT binary)`, the format of which has been the
same since PostgreSQL 10 for the types that these tables have. No `pg_dump` is needed and no superuser. What it cannot
do: be quick with a very large database, or go back to any moment; the server's own means can.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg.rows import tuple_row

from ...application.backup_ports import Manifest, Part, Snapshot, Totals
from ...domain.artifact import Content
from ...domain.errors import GatewayError, InvalidRequest, StoreUnavailable
from ..database.connections import parameters_of
from ..database.migrations import migrations, pending
from ..database.postgres_migrations import run_migrations
from ..disk_errors import disk_errors

_OF_THE_MOMENT: Final = ("gateway_processes",)
_THERE_AT_ONCE: Final = ("model_registry", "master_key")
"""What a database may have that no gateway has stored anything in."""

_AT_ONE_MOMENT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_TOTALS: Final = "SELECT (SELECT count(*) FROM stored_events), (SELECT count(*) FROM session_list)"
_CONTENTS: Final = "SELECT DISTINCT sha256, size_bytes FROM artifacts ORDER BY sha256"
_HAS: Final = "SELECT 1 FROM artifacts WHERE sha256 = %s LIMIT 1"
_MIGRATIONS: Final = "SELECT number FROM pluggably_migrations ORDER BY number"
_HAS_TABLES: Final = "SELECT to_regclass('public.pluggably_migrations') IS NOT NULL"
_ALIVE: Final = "SELECT count(*) FROM gateway_processes WHERE seen_at > clock_timestamp() - interval '30 seconds'"
_GO_ON_COUNTING: Final = """
SELECT setval(pg_get_serial_sequence('stored_events', 'notification_id'), max(notification_id)) FROM stored_events
HAVING count(*) > 0"""
_FIRST_REVISION: Final = "INSERT INTO model_registry (only_row, revision) VALUES (1, 0)"


def tables() -> tuple[str, ...]:
    """The tables that the migrations make, without what is only true of the moment."""
    made = [name for it in migrations() for name in re.findall(r"^CREATE TABLE (\w+)", it.sql, re.MULTILINE)]
    return tuple(name for name in made if name not in _OF_THE_MOMENT)


class PostgresTables:
    """Implements `LiveDatabase`."""

    kind = "postgres"

    def __init__(self, url: str, room: Path) -> None:
        """`url` is where the database is, as libpq takes it; one copy at a time is made in `room`."""
        self._url, self._room = url, room

    @contextmanager
    def at_one_moment(self) -> Iterator[Snapshot]:
        """The tables as they are now."""
        with _connected(self._url) as connection:
            if lacking := pending(_done(connection)):
                raise GatewayError(
                    detail=f"The session database lacks {lacking[0].name}: run `pluggably migrate` before a backup."
                )
            connection.execute(_AT_ONE_MOMENT)
            yield PostgresSnapshot(connection, self._room)

    def has(self, content: Content) -> bool:
        """Whether an artifact has that content now."""
        with _connected(self._url) as connection:
            return bool(connection.execute(_HAS, (content.sha256,)).fetchall())


class PostgresSnapshot:
    """Implements `Snapshot`."""

    def __init__(self, connection: Connection[Any], room: Path) -> None:
        """The connection is in the transaction."""
        self._connection, self._room = connection, room

    def totals(self) -> Totals:
        """How much there was."""
        ((events, sessions),) = self._connection.execute(_TOTALS).fetchall()
        return Totals(events=events, sessions=sessions, artifacts=len(self.contents()))

    def migrations(self) -> tuple[int, ...]:
        """The numbers of those that had been run."""
        return _done(self._connection)

    def contents(self) -> Sequence[Content]:
        """The contents that artifacts had."""
        return _contents(self._connection)

    def parts(self) -> Iterator[Part]:
        """A copy of each table."""
        copy = self._room / "copy"
        for table in tables():
            statement = f"COPY {table} TO STDOUT (FORMAT binary)".encode()
            with disk_errors(), copy.open("wb") as file, self._connection.cursor().copy(statement) as rows:
                for piece in rows:
                    file.write(piece)
            yield table, copy


class NewPostgresTables:
    """Implements `NewDatabase`."""

    kind = "postgres"

    def __init__(self, url: str) -> None:
        """`url` is where the database is, as libpq takes it."""
        self._url = url

    def expect_empty(self) -> None:
        """Look whether no gateway has stored anything there, and none runs on it."""
        with _connected(self._url) as connection:
            if not _has_tables(connection):
                return
            if alive := _value(connection, _ALIVE):
                raise InvalidRequest(
                    detail=f"Nothing was restored: {alive} gateway processes use the database, or did until a moment "
                    "ago. End them first."
                )
            filled = [it for it in _present(connection) if it not in _THERE_AT_ONCE and _has_rows(connection, it)]
            if filled:
                raise InvalidRequest(
                    detail=f"Nothing was restored, as the database is not empty: it has rows in {', '.join(filled)}. "
                    "Restore into a new database."
                )

    def fill(self, manifest: Manifest, parts: Iterable[Part]) -> None:
        """Copy the rows into tables as they were, all or none, and then bring these up to date."""
        pending(manifest.migrations)
        with _connected(self._url) as connection:
            if not _has_tables(connection):
                run_migrations(connection, upto=max(manifest.migrations))
            if _done(connection) != manifest.migrations:
                raise InvalidRequest(
                    detail="Nothing was restored, as the database was migrated by another version than the backup's "
                    f"({manifest.version}): restore into one without any tables, which then get what they lack."
                )
            with connection.transaction():
                _empty(connection)
                for table, path in parts:
                    _load(connection, table, path)
                connection.execute(_GO_ON_COUNTING)
                for name in ("artifacts", "artifact_contents"):
                    connection.execute(f"DELETE FROM {name} WHERE sha256 = ANY(%s)".encode(), (list(manifest.gone),))  # noqa: S608 - names of our own
            run_migrations(connection)

    def contents(self) -> Sequence[Content]:
        """The contents that artifacts have now."""
        with _connected(self._url) as connection:
            return _contents(connection)

    def clear(self) -> None:
        """Remove every row; the tables stay."""
        with _connected(self._url) as connection:
            if _has_tables(connection):
                with connection.transaction():
                    _empty(connection)
                    connection.execute(_FIRST_REVISION)


@contextmanager
def _connected(url: str) -> Iterator[Connection[Any]]:
    with _translated(), closing(psycopg.connect(**parameters_of(url), autocommit=True)) as connection:
        connection.row_factory = tuple_row
        connection.execute("SET search_path TO public")
        yield connection


def _load(connection: Connection[Any], table: str, path: Path) -> None:
    if table not in tables():
        raise InvalidRequest(detail=f"The backup has a part that this version does not know: {table}.")
    statement = f"COPY {table} FROM STDIN (FORMAT binary)".encode()
    with path.open("rb") as file, connection.cursor().copy(statement) as rows:
        while piece := file.read(2**20):
            rows.write(piece)


def _empty(connection: Connection[Any]) -> None:
    connection.execute(f"TRUNCATE {', '.join(_present(connection))}".encode())


def _present(connection: Connection[Any]) -> list[str]:
    return [it for it in tables() if _value(connection, f"SELECT to_regclass('public.{it}') IS NOT NULL")]


def _has_tables(connection: Connection[Any]) -> bool:
    return bool(_value(connection, _HAS_TABLES))


def _has_rows(connection: Connection[Any], table: str) -> bool:
    return bool(_value(connection, f"SELECT EXISTS (SELECT FROM {table})"))  # noqa: S608 - names of our own


def _done(connection: Connection[Any]) -> tuple[int, ...]:
    return tuple(number for (number,) in connection.execute(_MIGRATIONS).fetchall())


def _contents(connection: Connection[Any]) -> list[Content]:
    return [Content(sha256=it[0], size_bytes=it[1]) for it in connection.execute(_CONTENTS).fetchall()]


def _value(connection: Connection[Any], statement: str) -> Any:
    ((value,),) = connection.execute(statement.encode()).fetchall()
    return value


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.UndefinedTable as exc:
        raise GatewayError(detail="The session database has no tables yet: run `pluggably migrate` once.") from exc
    except (psycopg.InterfaceError, psycopg.OperationalError) as exc:
        raise StoreUnavailable(detail="The session database cannot be reached, or did not answer in time.") from exc
    except psycopg.Error as exc:
        raise GatewayError(detail=f"The session database cannot be copied: {exc}") from exc
