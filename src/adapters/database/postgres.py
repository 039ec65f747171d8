"""PostgreSQL (14 or newer), the database of the sessions, for any number of processes.

Locks are advisory ones, on connections and threads of their own, so that whoever holds one never waits for those who
wait for it. A process that dies lets go of its locks.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any
from weakref import WeakValueDictionary

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from ...domain.errors import GatewayError, InsufficientStorage, StoreUnavailable
from ..threads import Threads
from .connections import parameters_of
from .sql import Row, Statement

CONNECTIONS = 4
_WAIT_S = 5.0
_SET_UP = """
SET search_path TO public;
SET lock_timeout = '5s';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""
_LOCK = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
_UNLOCK = "SELECT pg_advisory_unlock_all()"


class PostgresDatabase:
    """Implements `Database`; connects when it is first used. The tables are there."""

    def __init__(self, url: str) -> None:
        """`url` is where the database is, as libpq takes it.

        Raises:
            GatewayError: it is none that libpq takes.
        """
        parameters = {**parameters_of(url), "autocommit": True, "prepare_threshold": None}
        self._rows, self._locks = (
            ConnectionPool(
                kwargs=parameters,
                min_size=0,
                max_size=CONNECTIONS,
                timeout=_WAIT_S,
                reconnect_timeout=_WAIT_S,
                configure=_set_up,
                check=ConnectionPool.check_connection,
                open=False,
                name=name,
            )
            for name in ("database-rows", "database-locks")
        )
        self._here: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._row_threads = Threads(CONNECTIONS, "database-rows", _translated)
        self._lock_threads = Threads(CONNECTIONS, "database-locks", _translated)

    async def run(self, *statements: Statement) -> list[Row]:
        """Run statements in one transaction."""
        return await self._row_threads.run(lambda: self._run(statements))

    @asynccontextmanager
    async def locked(self, name: str) -> AsyncIterator[None]:
        """Hold the lock of that name."""
        async with self._here.setdefault(name, asyncio.Lock()):  # so that one thread at most waits for it
            held: list[Connection[Any]] = []  # not returned: what is returned to somebody cancelled is lost
            try:
                await self._lock_threads.run(lambda: self._lock(name, held))
                yield
            finally:
                if held:
                    await self._row_threads.run(lambda: self._unlock(held[0]))

    async def close(self) -> None:
        """Let go of every connection."""
        for threads, pool in ((self._row_threads, self._rows), (self._lock_threads, self._locks)):
            await threads.run(pool.close)
            await threads.close()

    def _run(self, statements: tuple[Statement, ...]) -> list[Row]:
        self._rows.open()
        with self._rows.connection() as connection, connection.transaction():
            for statement, values in statements:
                cursor = connection.execute(statement.replace("?", "%s").encode(), values)
                rows = cursor.fetchall() if cursor.description else []
        return list(rows)

    def _lock(self, name: str, held: list[Connection[Any]]) -> None:
        self._locks.open()
        connection = self._locks.getconn()
        try:
            connection.execute(_LOCK, (name,))
        except BaseException:
            self._locks.putconn(connection)
            raise
        held.append(connection)

    def _unlock(self, connection: Connection[Any]) -> None:
        try:
            connection.execute(_UNLOCK)
        finally:
            self._locks.putconn(connection)


def _set_up(connection: Connection[Any]) -> None:
    connection.execute(_SET_UP.encode())


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.DiskFull as exc:
        raise InsufficientStorage(detail="There is no space left in the gateway's database.") from exc
    except (psycopg.InterfaceError, psycopg.OperationalError, psycopg.errors.LockNotAvailable) as exc:
        raise StoreUnavailable(detail="The gateway's database cannot be reached, or did not answer in time.") from exc
    except psycopg.Error as exc:
        raise GatewayError(detail="The gateway's database cannot be read or written.") from exc
