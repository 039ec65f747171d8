"""The index in a SQLite file (3.35 or newer), for one process."""

import asyncio
import fcntl
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from ...domain.errors import GatewayError, InsufficientStorage
from .index import Row, SqlArtifactIndex, Statement
from .threads import Threads

_TABLES = (
    """
CREATE TABLE IF NOT EXISTS artifacts (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    media_type TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    origin TEXT NOT NULL,
    session_id TEXT,
    generation_id TEXT,
    facts TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    kept_until INTEGER
) WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS artifact_contents (sha256 TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS artifacts_by_content ON artifacts (sha256)",
    "CREATE INDEX IF NOT EXISTS artifacts_by_session ON artifacts (session_id, id) WHERE session_id IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS artifacts_due ON artifacts (kept_until) WHERE kept_until IS NOT NULL",
)
_VERSION = 1


def sqlite_index(folder: Path) -> SqlArtifactIndex:
    """Open the index in `folder`, which is made if need be. Blocks: to be called before the loop serves.

    Raises:
        GatewayError: another process uses it, or a newer version wrote it.
    """
    return SqlArtifactIndex(SqliteDatabase(folder))


class SqliteDatabase:
    """Implements `Database`. Its one thread works on one statement after the other."""

    def __init__(self, folder: Path) -> None:
        """Open or make `index.sqlite`."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held = (folder / "index.lock").open("w")
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._threads = Threads(1, "artifact-index", _translated)
        with _translated():
            try:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._connection = _connect(folder / "index.sqlite")
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
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        connection.close()
        raise GatewayError(detail="A newer version of the gateway wrote the index of artifacts: use that one.")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {_VERSION}")
    return connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except BlockingIOError as exc:
        raise GatewayError(
            detail="Another process uses these artifacts. SQLite serves one gateway process: end the other one, give "
            'this one a data folder of its own, or keep sessions in PostgreSQL (`store = "postgres"`).'
        ) from exc
    except sqlite3.Error as exc:
        if getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise InsufficientStorage(detail="There is no space left to keep the artifact.") from exc
        raise GatewayError(detail="The index of artifacts cannot be read or written.") from exc
