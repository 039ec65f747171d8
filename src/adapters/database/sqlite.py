"""A SQLite file (3.35 or newer), for one process."""

import asyncio
import fcntl
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from ...domain.errors import GatewayError, InsufficientStorage
from ..threads import Threads
from .migrations import LIST, ON_POSTGRES_ONLY, pending
from .sql import Row, Statement

_BYTEWISE = ' COLLATE "C"'
"""How PostgreSQL is told to compare text as SQLite always does."""


class SqliteDatabase:
    """Implements `Database`. Its one thread works on one transaction after the other."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it and its folder. Blocks: to be called before the loop serves.

        Raises:
            GatewayError: another process uses it, a newer version wrote it, or it is something else.
        """
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held = path.with_suffix(".lock").open("w")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._threads = Threads(1, "database", _translated)
        try:
            with _translated():
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._connection = _connect(path)
        except BaseException:
            self._held.close()
            raise

    async def run(self, *statements: Statement) -> list[Row]:
        """Run statements in one transaction."""
        return await self._threads.run(lambda: self._run(statements))

    @asynccontextmanager
    async def locked(self, name: str) -> AsyncIterator[None]:
        """Hold the lock of that name; there is no other process."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            yield

    async def close(self) -> None:
        """Let go of the file."""
        await self._threads.close()
        self._connection.close()
        self._held.close()

    def _run(self, statements: tuple[Statement, ...]) -> list[Row]:
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for statement, values in statements:
                cursor = self._connection.execute(statement, tuple(values))
                rows = cursor.fetchall()
        return rows


def _connect(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten
        _migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute(LIST)
    for migration in pending(number for (number,) in connection.execute("SELECT number FROM pluggably_migrations")):
        made = "" if migration.family == ON_POSTGRES_ONLY else migration.sql.replace(_BYTEWISE, "")
        noted = f"INSERT INTO pluggably_migrations (number, name) VALUES ({migration.number}, '{migration.name}');"  # noqa: S608 - a number and a file's name of our own; scripts take no parameters
        connection.executescript(f"BEGIN;\n{made}\n{noted}\nCOMMIT;")


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except BlockingIOError as exc:
        raise GatewayError(
            detail="Another process uses this data folder. SQLite serves one gateway process: end the other one, give "
            'this one a data folder of its own, or keep sessions in PostgreSQL (`store = "postgres"`).'
        ) from exc
    except sqlite3.Error as exc:
        if getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise InsufficientStorage(detail="There is no space left in the gateway's database.") from exc
        raise GatewayError(detail="The gateway's database cannot be read or written.") from exc
