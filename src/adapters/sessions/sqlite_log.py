"""The log and its checkpoints in the SQLite file of the sessions.

Text is read as bytes and decoded here, and what is of another type than its column says is read as nothing: whatever
somebody wrote into the file is then a fault that has a place, and not a failure of the read.
"""

from collections.abc import Sequence
from typing import Any, Final

from eventsourcing.sqlite import SQLiteDatastore

from .chains import LoggedEvent
from .log import PIECE_BYTES, PIECE_EVENTS, CheckpointRow, LogEnd

_CREATE: Final = """
CREATE TABLE IF NOT EXISTS log_checkpoints (
    size INTEGER PRIMARY KEY,
    notification_id INTEGER NOT NULL,
    subtrees BLOB NOT NULL,
    note TEXT NOT NULL,
    made_at INTEGER NOT NULL
)"""


def _blob(column: str, kind: str) -> str:
    return f"CASE typeof({column}) WHEN '{kind}' THEN CAST({column} AS BLOB) ELSE x'' END"


def _integer(column: str) -> str:
    return f"CASE typeof({column}) WHEN 'integer' THEN {column} ELSE 0 END"


_END: Final = "SELECT coalesce(max(notification_id), 0) FROM stored_events"
_LISTED: Final = f"SELECT {_blob('id', 'text')}, {_integer('version')}, {_blob('tip', 'text')} FROM session_list"  # noqa: S608 - names of our own
_SELECT: Final = f"""
SELECT notification_id, {_blob("originator_id", "text")}, {_integer("originator_version")}, {_blob("topic", "text")},
    {_blob("state", "blob")}
FROM stored_events WHERE notification_id > ? AND notification_id <= ? ORDER BY notification_id LIMIT ?"""  # noqa: S608 - names of our own
_SELECT_HASHES: Final = """
SELECT notification_id, CAST(substr(state, 1, 32) AS BLOB) FROM stored_events WHERE notification_id > ?
ORDER BY notification_id LIMIT ?"""
_ADD: Final = """
INSERT INTO log_checkpoints SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM log_checkpoints WHERE size >= ?)
RETURNING size"""
_SELECT_CHECKPOINTS: Final = f"""
SELECT size, {_integer("notification_id")}, {_blob("subtrees", "blob")}, {_blob("note", "text")}, {_integer("made_at")}
FROM log_checkpoints WHERE size {{comparison}} ? ORDER BY size {{order}} LIMIT ?"""  # noqa: S608 - names of our own
_ABOVE: Final = _SELECT_CHECKPOINTS.format(comparison=">", order="ASC")
_BELOW: Final = _SELECT_CHECKPOINTS.format(comparison="<", order="DESC")


class SqliteLog:
    """Implements `LogRecorder`."""

    def __init__(self, datastore: SQLiteDatastore) -> None:
        """The tables of the sessions are there; that of the checkpoints is made if need be."""
        self._datastore = datastore
        with datastore.transaction(commit=True) as cursor:
            cursor.execute(_CREATE)

    def end(self) -> LogEnd:
        """The end as it is now."""
        with self._datastore.transaction(commit=False) as cursor:
            cursor.execute(_END)
            place = cursor.fetchone()[0]
            cursor.execute(_LISTED)
            return LogEnd(place, {_text(row[0]): (row[1], _text(row[2])) for row in cursor.fetchall()})

    def events(self, after: int, upto: int) -> Sequence[LoggedEvent]:
        """The next piece of the log."""
        piece, size_bytes = list[LoggedEvent](), 0
        with self._datastore.transaction(commit=False) as cursor:
            cursor.sqlite_cursor.row_factory = None  # plain tuples: they are read a quarter faster
            cursor.execute(_SELECT, (after, upto, PIECE_EVENTS))
            for place, session_id, version, topic, state in cursor.sqlite_cursor:
                piece.append((place, _text(session_id), version, _text(topic), state))
                size_bytes += len(state)
                if size_bytes > PIECE_BYTES:
                    break
        return piece

    def hashes(self, after: int) -> Sequence[tuple[int, bytes]]:
        """The places and hashes of the next events."""
        return [(place, digest) for place, digest in self._select(_SELECT_HASHES, after, PIECE_EVENTS)]

    def add_checkpoint(self, row: CheckpointRow) -> bool:
        """Keep one, unless one is there that is as large."""
        with self._datastore.transaction(commit=True) as cursor:
            cursor.execute(_ADD, (*row, row[0]))
            return bool(cursor.fetchall())

    def checkpoints_above(self, size: int, limit: int) -> Sequence[CheckpointRow]:
        """The next larger ones."""
        return [_checkpoint(*row) for row in self._select(_ABOVE, size, limit)]

    def checkpoints_below(self, size: int, limit: int) -> Sequence[CheckpointRow]:
        """The next smaller ones."""
        return [_checkpoint(*row) for row in self._select(_BELOW, size, limit)]

    def _select(self, statement: str, *values: int) -> list[Any]:
        with self._datastore.transaction(commit=False) as cursor:
            cursor.execute(statement, values)
            rows: list[Any] = cursor.fetchall()
            return rows


def _checkpoint(size: int, place: int, subtrees: bytes, note: bytes, made_at: int) -> CheckpointRow:
    return size, place, subtrees, _text(note), made_at


def _text(stored: bytes) -> str:
    return stored.decode(errors="replace")
