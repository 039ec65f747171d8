"""The log and its checkpoints in the PostgreSQL database of the sessions.

Notification ids have gaps there, which appends that were rolled back leave. Nobody has to wait for a gap to be filled:
appends are one after the other, so that whoever sees an id sees all that are smaller.
"""

from collections.abc import Sequence
from typing import Any, Final

from eventsourcing.persistence import InterfaceError, OperationalError
from eventsourcing.utils import retry
from psycopg import Connection, Cursor
from psycopg.rows import tuple_row

from .chains import LoggedEvent
from .log import PIECE_BYTES, PIECE_EVENTS, CheckpointRow, LogEnd
from .postgres import SessionDatastore

_AT_ONE_MOMENT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
_END: Final = "SELECT coalesce(max(notification_id), 0) FROM stored_events"
_LISTED: Final = "SELECT id, version, tip FROM session_list"
_FIRST: Final = "SELECT min(notification_id) FROM stored_events WHERE notification_id > %s"
# A span of ids and no LIMIT: with that, a table of which there are no statistics yet is sorted anew for every piece.
_SELECT: Final = """
SELECT notification_id, originator_id, originator_version, topic, state FROM stored_events
WHERE notification_id BETWEEN %s AND %s ORDER BY notification_id"""
_COUNT_BYTES: Final = """
SELECT coalesce(sum(octet_length(state)), 0) FROM stored_events WHERE notification_id BETWEEN %s AND %s"""
_SELECT_HASHES: Final = """
SELECT notification_id, substring(state FROM 1 FOR 32) FROM stored_events
WHERE notification_id BETWEEN %s AND %s ORDER BY notification_id"""
_ONE_AFTER_THE_OTHER: Final = "LOCK TABLE log_checkpoints IN EXCLUSIVE MODE"  # reads do not wait
_ADD: Final = """
INSERT INTO log_checkpoints SELECT %s, %s, %s, %s, %s
WHERE NOT EXISTS (SELECT FROM log_checkpoints WHERE size >= %s) RETURNING size"""
_SELECT_CHECKPOINTS: Final = "SELECT size, notification_id, subtrees, note, made_at FROM log_checkpoints "
_ABOVE: Final = _SELECT_CHECKPOINTS + "WHERE size > %s ORDER BY size LIMIT %s"
_BELOW: Final = _SELECT_CHECKPOINTS + "WHERE size < %s ORDER BY size DESC LIMIT %s"


class PostgresLog:
    """Implements `LogRecorder`."""

    def __init__(self, datastore: SessionDatastore) -> None:
        """The database is migrated."""
        self._datastore = datastore

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def end(self) -> LogEnd:
        """The end as it is now."""
        with self._datastore.get_connection() as connection, connection.transaction():
            connection.execute(_AT_ONE_MOMENT)
            with _cursor(connection) as cursor:
                ((place,),) = cursor.execute(_END).fetchall()
                return LogEnd(place, {row[0]: (row[1], row[2]) for row in cursor.execute(_LISTED)})

    def events(self, after: int, upto: int) -> Sequence[LoggedEvent]:
        """The next piece of the log."""
        first, last = self._span(after)
        while first < last and self._run(_COUNT_BYTES, (first, last))[0][0] > PIECE_BYTES:
            last -= (last - first + 1) // 2
        return list(self._run(_SELECT, (first, min(last, upto))))

    def hashes(self, after: int) -> Sequence[tuple[int, bytes]]:
        """The places and hashes of the next events."""
        return list(self._run(_SELECT_HASHES, self._span(after)))

    def _span(self, after: int) -> tuple[int, int]:
        """The id of the next event, and the last that belongs to the same piece."""
        ((first,),) = self._run(_FIRST, (after,))
        return (first, first + PIECE_EVENTS - 1) if first else (after, after - 1)

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def add_checkpoint(self, row: CheckpointRow) -> bool:
        """Keep one, unless one is there that is as large."""
        with self._datastore.get_connection() as connection, connection.transaction():
            connection.execute(_ONE_AFTER_THE_OTHER)
            return connection.execute(_ADD, (*row, row[0])).rowcount == 1

    def checkpoints_above(self, size: int, limit: int) -> Sequence[CheckpointRow]:
        """The next larger ones."""
        return list(self._run(_ABOVE, (size, limit)))

    def checkpoints_below(self, size: int, limit: int) -> Sequence[CheckpointRow]:
        """The next smaller ones."""
        return list(self._run(_BELOW, (size, limit)))

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def _run(self, statement: str, values: Any) -> list[Any]:
        with self._datastore.get_connection() as connection, _cursor(connection) as cursor:
            cursor.execute(statement.encode(), values)
            return cursor.fetchall()


def _cursor(connection: Connection[Any]) -> Cursor[Any]:
    """Bytes come as they are, and not as text of twice the length."""
    return connection.cursor(row_factory=tuple_row, binary=True)
