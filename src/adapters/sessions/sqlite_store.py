"""Sessions in a folder, on SQLite: for one gateway process, which needs nothing else."""

import fcntl
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from eventsourcing.persistence import PersistenceError

from ...domain.errors import GatewayError, InsufficientStorage
from ..system import IdSequence
from .keyring import Keyring
from .list_row import ListRow, labels_of, to_summary
from .master_key import master_key_in, master_key_of
from .snapshots import EVERY
from .sqlite import SqliteSessionRecorder
from .sqlite_keys import SqliteKeys
from .sqlite_log import SqliteLog
from .store import EventSessionStore

_THREADS = 4


def sqlite_sessions(folder: Path, *, master_key: str | None = None, snapshot_every: int = EVERY) -> EventSessionStore:
    """Open the sessions in `folder`, which is made if need be. Blocks: to be called before the loop serves.

    Args:
        folder: holds `sessions.sqlite`, `keys.sqlite` and `master.key`.
        master_key: 64 hexadecimal digits; without it, `master.key` holds the key.
        snapshot_every: after how many events of a session there is a snapshot of it.

    Raises:
        GatewayError: another process uses them, their master key is missing, or a newer version wrote them.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ExitStack() as opened, _translated():
        opened.callback(ExclusiveUse(folder).release)
        keyring = open_keyring(folder, opened, master_key=master_key)
        recorder = SqliteSessionRecorder(folder / "sessions.sqlite")
        opened.callback(recorder.close)
        keyring.destroy(*recorder.erased())  # a process that ended amid an erasure left them behind
        recorder.upgrade(lambda row: _labels_of(row, keyring))
        return EventSessionStore(
            recorder=recorder,
            log=SqliteLog(recorder.datastore),
            keyring=keyring,
            translated=_translated,
            opened=opened.pop_all(),
            instance=IdSequence()("run"),
            threads=_THREADS,
            snapshot_every=snapshot_every,
        )


def open_keyring(folder: Path, opened: ExitStack, *, master_key: str | None = None) -> Keyring:
    """The keys in `folder`, until `opened` is closed.

    Raises:
        GatewayError: there are keys, but no whole master key for them.
    """
    path = folder / "keys.sqlite"
    master = master_key_of(master_key) if master_key else master_key_in(folder / "master.key", new=not path.exists())
    wrapped = SqliteKeys(path)
    opened.callback(wrapped.close)
    return Keyring(master, wrapped)


class ExclusiveUse:
    """Holds a folder for this process, until it is released or the process ends."""

    def __init__(self, folder: Path) -> None:
        """Take hold of the folder.

        Raises:
            GatewayError: another process holds it.
        """
        self._file = (folder / "sessions.lock").open("w")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            self._file.close()
            raise GatewayError(
                detail="Another process uses these sessions. SQLite serves one gateway process: end the other one, "
                'give this one a data folder of its own, or keep the sessions in PostgreSQL (`store = "postgres"`).'
            ) from exc

    def release(self) -> None:
        """Let another process in."""
        self._file.close()


def _labels_of(row: ListRow, keyring: Keyring) -> Sequence[bytes]:
    try:
        key = keyring.get(row.id)
        return labels_of(to_summary(row, key=key), keyring) if key else []
    except GatewayError:  # altered: whoever lists it is told, and the service starts all the same
        return []


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (PersistenceError, sqlite3.Error) as exc:
        reason = exc if isinstance(exc, sqlite3.Error) else exc.__cause__
        if getattr(reason, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
            raise InsufficientStorage(detail="There is no space left to store the session.") from exc
        raise GatewayError(detail="The session database cannot be read or written.") from exc
