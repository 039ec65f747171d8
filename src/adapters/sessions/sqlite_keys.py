"""Wrapped keys in a SQLite file of their own, which forgets what is deleted from it."""

import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path
from threading import Lock

_TABLE = "CREATE TABLE IF NOT EXISTS keys (session_id TEXT PRIMARY KEY, wrapped BLOB) WITHOUT ROWID"  # NULL: destroyed
_GET = "SELECT session_id, wrapped FROM keys WHERE session_id IN ({places}) AND wrapped IS NOT NULL"
_DESTROY = (
    "INSERT INTO keys VALUES (?, NULL) ON CONFLICT (session_id) DO UPDATE SET wrapped = NULL WHERE wrapped IS NOT NULL"
)


class SqliteKeys:
    """Implements `WrappedKeys`."""

    def __init__(self, path: Path) -> None:
        """Open or make the file."""
        path.touch(mode=0o600)
        self._lock = Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # No write-ahead log, and freed bytes overwritten: a destroyed key must not live on in a file beside the table.
        for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "secure_delete=ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute(_TABLE)

    def put(self, keys: Mapping[str, bytes]) -> None:
        """Keep keys, but for those of sessions that have or had one."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR IGNORE INTO keys VALUES (?, ?)", list(keys.items()))

    def get(self, session_ids: Collection[str]) -> dict[str, bytes]:
        """The keys of these sessions; those that there are."""
        places = ", ".join("?" * len(session_ids))
        with self._lock:
            found = self._connection.execute(_GET.format(places=places), tuple(session_ids)).fetchall()
        return dict(found)

    def destroy(self, session_ids: Collection[str]) -> None:
        """Overwrite these keys."""
        with self._lock:
            self._connection.executemany(_DESTROY, [(it,) for it in session_ids])

    def destroyed(self) -> list[str]:
        """The sessions whose key was overwritten."""
        with self._lock:
            rows = self._connection.execute("SELECT session_id FROM keys WHERE wrapped IS NULL").fetchall()
        return [row[0] for row in rows]

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()
