"""The SQLite files of a data folder: copied at one moment while the service writes to them, and put back.

For that moment nobody may write to any of them (`BEGIN IMMEDIATE`, for as long as it takes to open a read transaction
on each), so that what is read from then on goes together. SQLite's online backup API then copies out of those
transactions, beside which the service goes on writing. The keys have no write-ahead log, so that whoever reads them
keeps others from writing: the moment lasts for as long as copying them takes, which are some hundred bytes a session.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from ...application.backup_ports import Manifest, Part, Snapshot, Totals
from ...domain.artifact import Content
from ...domain.errors import GatewayError, InvalidRequest
from ..database.migrations import pending
from ..disk_errors import disk_errors

GATEWAY, SESSIONS, KEYS = "gateway.sqlite", "sessions/sessions.sqlite", "sessions/keys.sqlite"
_LOGGED = (SESSIONS, GATEWAY)
_FILES = (*_LOGGED, KEYS)
_WAIT_S = 30
"""How long the service may keep one of them from being locked."""

_TOTALS = "SELECT (SELECT count(*) FROM stored_events), (SELECT count(*) FROM session_list)"
_CONTENTS = "SELECT DISTINCT sha256, size_bytes FROM artifacts ORDER BY sha256"
_HAS = "SELECT 1 FROM artifacts WHERE sha256 = ? LIMIT 1"
_MIGRATIONS = "SELECT number FROM pluggably_migrations ORDER BY number"


class SqliteFiles:
    """Implements `LiveDatabase`."""

    kind = "sqlite"

    def __init__(self, folder: Path, room: Path) -> None:
        """The files are in the data folder `folder`; one copy at a time is made in `room`."""
        self._folder, self._room = folder, room

    @contextmanager
    def at_one_moment(self) -> Iterator[Snapshot]:
        """The files as they are now."""
        if lacking := [name for name in _FILES if not (self._folder / name).exists()]:
            raise InvalidRequest(
                detail=f"There is nothing to back up: {self._folder} has no {lacking[0]}. Did the service ever run "
                "with these settings?"
            )
        with _translated(), ExitStack() as opened:
            read = {name: opened.enter_context(_opened(self._folder / name)) for name in _LOGGED}
            with ExitStack() as held:
                for name in _FILES:
                    held.enter_context(_opened(self._folder / name)).execute("BEGIN IMMEDIATE")
                for connection in read.values():
                    connection.execute("BEGIN")
                    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # from here on it is at work
                with _opened(self._folder / KEYS) as connection:
                    _copy(connection, keys := self._room / "keys")
            yield SqliteSnapshot(read, keys, self._room)

    def has(self, content: Content) -> bool:
        """Whether an artifact has that content now."""
        with _translated(), _opened(self._folder / GATEWAY) as connection:
            return bool(connection.execute(_HAS, (content.sha256,)).fetchall())


class SqliteSnapshot:
    """Implements `Snapshot`."""

    def __init__(self, read: dict[str, sqlite3.Connection], keys: Path, room: Path) -> None:
        """Each connection is in a read transaction; `keys` is a copy."""
        self._read, self._keys, self._room = read, keys, room

    def totals(self) -> Totals:
        """How much there was."""
        ((events, sessions),) = self._read[SESSIONS].execute(_TOTALS).fetchall()
        return Totals(events=events, sessions=sessions, artifacts=len(self.contents()))

    def migrations(self) -> tuple[int, ...]:
        """Those of the gateway's own file; the others know theirs."""
        return tuple(number for (number,) in self._read[GATEWAY].execute(_MIGRATIONS))

    def contents(self) -> Sequence[Content]:
        """The contents that artifacts had."""
        return _contents(self._read[GATEWAY])

    def parts(self) -> Iterator[Part]:
        """A copy of each file."""
        yield KEYS, self._keys
        for name, connection in self._read.items():
            _copy(connection, copy := self._room / "copy")
            yield name, copy
            copy.unlink()


class NewSqliteFiles:
    """Implements `NewDatabase`; the data folder is looked at by whoever looks after the rest of it."""

    kind = "sqlite"

    def __init__(self, folder: Path) -> None:
        """The files go into the data folder `folder`."""
        self._folder = folder

    def expect_empty(self) -> None:
        """Nothing to do: they are in the data folder."""

    def fill(self, manifest: Manifest, parts: Iterable[Part]) -> None:
        """Put the files there; whoever opens them brings their tables up to date."""
        pending(manifest.migrations)
        for name, path in parts:
            if name not in _FILES:
                raise InvalidRequest(detail=f"The backup has a part that this version does not know: {name}.")
            with disk_errors():
                (self._folder / name).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                shutil.move(path, self._folder / name)
                (self._folder / name).chmod(0o600)
        with _translated(), _opened(self._folder / GATEWAY) as connection:
            gone = [(sha256,) for sha256 in manifest.gone]
            connection.executemany("DELETE FROM artifacts WHERE sha256 = ?", gone)
            connection.executemany("DELETE FROM artifact_contents WHERE sha256 = ?", gone)

    def contents(self) -> Sequence[Content]:
        """The contents that artifacts have now."""
        with _translated(), _opened(self._folder / GATEWAY) as connection:
            return _contents(connection)

    def clear(self) -> None:
        """Nothing to do: they go with the data folder."""


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=_WAIT_S, isolation_level=None)) as it:
        yield it


def _copy(connection: sqlite3.Connection, path: Path) -> None:
    with closing(sqlite3.connect(path)) as target:
        connection.backup(target)
        target.execute("PRAGMA journal_mode=DELETE")  # so that the one file is all of it


def _contents(connection: sqlite3.Connection) -> list[Content]:
    rows: Iterable[Any] = connection.execute(_CONTENTS)
    return [Content(sha256=sha256, size_bytes=size_bytes) for sha256, size_bytes in rows]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as exc:
        raise GatewayError(detail=f"A database file of the data folder cannot be copied: {exc}.") from exc
