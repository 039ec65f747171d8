"""The events and the list in one SQLite file, by the library's recorder with tables of our own.

SQLite from 3.35. Write-ahead log, `synchronous=FULL`: what was committed survives a power cut. The library takes the
row id for the notification id; here it is a column that is never given twice. One process a file.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import astuple, fields
from eventsourcing.persistence import StoredEvent
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
)

from ...application.audit import ArchiveQuery
from ...application.ports import SessionQuery
from ...domain.errors import GatewayError
from ...domain.idempotency import IdempotencyKey, KeyUse
from ...domain.retention import RetainedSession, RetentionPolicy
from ...domain.session import SessionStatus
from .list_row import ListRow, microseconds
from .mapper import HASH_BYTES
from .recorder import BY_ID, Entry
from .retention import overdue_statement, overdue_values, to_retained
from .snapshots import SealedSnapshot
from .states import SealedState

_EVENTS: Final = """
CREATE TABLE IF NOT EXISTS stored_events (
    notification_id INTEGER PRIMARY KEY AUTOINCREMENT,
    originator_id TEXT NOT NULL,
    originator_version INTEGER NOT NULL,
    topic TEXT NOT NULL,
    state BLOB NOT NULL,
    UNIQUE (originator_id, originator_version)
)"""
_LIST: Final = """
CREATE TABLE IF NOT EXISTS session_list (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    status TEXT NOT NULL,
    version INTEGER NOT NULL,
    turns INTEGER NOT NULL,
    modalities TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_activity_at INTEGER NOT NULL,
    closed_at INTEGER,
    held INTEGER NOT NULL DEFAULT 0,
    active_by TEXT,
    tip TEXT NOT NULL,
    sealed BLOB NOT NULL
)"""
_KEYS: Final = """
CREATE TABLE IF NOT EXISTS idempotency_keys (
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    session_id TEXT NOT NULL,
    turn INTEGER,
    PRIMARY KEY (owner, key)
) WITHOUT ROWID"""
_LABELS: Final = """
CREATE TABLE IF NOT EXISTS session_labels (
    label BLOB NOT NULL,
    session_id TEXT NOT NULL,
    PRIMARY KEY (label, session_id)
) WITHOUT ROWID"""
_STATES: Final = """
CREATE TABLE IF NOT EXISTS session_states (
    digest TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    turn INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    sealed BLOB NOT NULL
) WITHOUT ROWID"""
_SNAPSHOTS: Final = """
CREATE TABLE IF NOT EXISTS session_snapshots (
    session_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    format INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (session_id, version)
)"""
_INDEXES: Final = (
    "DROP INDEX IF EXISTS session_list_by_activity",  # of older files: it lacks what is filtered by
    "CREATE INDEX IF NOT EXISTS session_list_by_owner"
    " ON session_list (owner, last_activity_at DESC, id DESC, status, modalities)",
    "CREATE INDEX IF NOT EXISTS session_list_erased ON session_list (id) WHERE status = 'erased'",
    "CREATE INDEX IF NOT EXISTS session_labels_by_session ON session_labels (session_id)",
    "CREATE INDEX IF NOT EXISTS idempotency_keys_by_session ON idempotency_keys (session_id)",
    "CREATE INDEX IF NOT EXISTS session_list_in_turn ON session_list (id) WHERE active_by IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS session_list_closed ON session_list (closed_at) WHERE closed_at IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS session_states_by_session ON session_states (session_id, turn)",
)
_LABELLED, _VERSION = 2, 5
"""The `user_version` of a file whose sessions have their labels, and of one that this version writes."""
_UPGRADES: Final = {
    "active_by": (
        "DROP INDEX IF EXISTS session_list_active",
        "ALTER TABLE session_list ADD COLUMN active_by TEXT",
        "UPDATE session_list SET active_by = '' WHERE active",
        "ALTER TABLE session_list DROP COLUMN active",
    ),
    "closed_at": (
        "ALTER TABLE session_list ADD COLUMN closed_at INTEGER",
        "UPDATE session_list SET closed_at = last_activity_at WHERE status <> 'open'",  # or somewhat earlier
        "ALTER TABLE session_list ADD COLUMN held INTEGER NOT NULL DEFAULT 0",
    ),
}
"""For each column that older files lack in the list, how it comes there."""

_COLUMNS = tuple(attribute.name for attribute in fields(ListRow))
_PUT_ROW = (
    f"INSERT INTO session_list ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))}) "  # noqa: S608 - names of our own
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)
_SELECT_ROWS = f"SELECT {', '.join(_COLUMNS)} FROM session_list "  # noqa: S608 - names of our own


_FEW = 5_000
"""So many sessions that have a label are looked up each; of more, enough are soon met on the way down the list."""
_COUNT_WITH_LABEL = f"SELECT count(*) FROM (SELECT 1 FROM session_labels WHERE label = ? LIMIT {_FEW + 1})"  # noqa: S608 - names of our own
_HAS_LABEL = "EXISTS (SELECT 1 FROM session_labels WHERE label = ? AND session_id = id)"
_WITH_LABEL = "id IN (SELECT session_id FROM session_labels WHERE label = ?)"

_FREE_KEY = "DELETE FROM idempotency_keys WHERE owner = ? AND key = ? AND session_id = ? AND turn = ?"
_USE_KEY = "INSERT INTO idempotency_keys (owner, key, fingerprint, session_id, turn) VALUES (?, ?, ?, ?, ?)"
_SELECT_KEY = "SELECT fingerprint, session_id, turn FROM idempotency_keys WHERE owner = ? AND key = ?"

_FORGET_KEYS = "DELETE FROM idempotency_keys WHERE session_id = ?"
_COUNT_KEYS = "SELECT count(*) FROM idempotency_keys WHERE session_id = ?"

_STATE_COLUMNS = tuple(attribute.name for attribute in fields(SealedState))
_PUT_STATE = "INSERT INTO session_states VALUES (?, ?, ?, ?, ?)"
_SELECT_STATES = f"SELECT {', '.join(_STATE_COLUMNS)} FROM session_states "  # noqa: S608 - names of our own
_FORGET_STATES = "DELETE FROM session_states WHERE session_id = ?"
_FORGET_EXPIRED = (
    "DELETE FROM session_states WHERE expires_at <= ? "
    "AND session_id IN (SELECT id FROM session_list WHERE id = ? AND held = 0)"
)
_OVERDUE = overdue_statement(":{}".format)

_PUT_SNAPSHOT = "INSERT OR REPLACE INTO session_snapshots VALUES (?, ?, ?, ?)"
_SELECT_SNAPSHOTS = """
SELECT session_id, version, format, sealed, substr(state, 1, ?)
FROM session_snapshots JOIN stored_events ON (originator_id, originator_version) = (session_id, version)
WHERE session_id = ? AND version <= ? ORDER BY version"""
_COUNT_SNAPSHOTS = "SELECT count(*) FROM session_snapshots WHERE session_id = ?"
_FORGET_SNAPSHOTS = "DELETE FROM session_snapshots WHERE session_id = ?"


class SqliteSessionRecorder(SQLiteApplicationRecorder):
    """The library's recorder; it also keeps what goes with the events."""

    def __init__(self, path: Path) -> None:
        """Open or make the database file."""
        datastore = SQLiteDatastore(str(path), originator_id_type="text")
        datastore.pool = _DurablePool(db_name=str(path))
        super().__init__(datastore)
        self.insert_events_statement = (
            "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)"
        )
        self._upgrade_list()
        self.create_table()

    def construct_create_table_statements(self) -> list[str]:
        """The tables and their indexes."""
        return [_EVENTS, _LIST, _KEYS, _LABELS, _STATES, _SNAPSHOTS, *_INDEXES]

    def insert(self, entries: Sequence[Entry]) -> None:
        """Store everything of all entries, or nothing."""
        self.insert_events([event for entry in entries for event in entry.events], entries=entries)

    def _insert_events(
        self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        ids = super()._insert_events(c, stored_events, **kwargs)
        for entry in kwargs["entries"]:
            _insert_beside(c, entry)
        return ids

    def key_use(self, owner: str, key: str) -> KeyUse | None:
        """What the owner's idempotency key stands for."""
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(_SELECT_KEY, (owner, key))
            rows = cursor.fetchall()
        if not rows:
            return None
        fingerprint, session_id, turn = rows[0]
        return KeyUse(
            owner=owner, key=IdempotencyKey(key=key, fingerprint=fingerprint), session_id=session_id, turn=turn
        )

    def upgrade(self, labels_of: Callable[[ListRow], Sequence[bytes]]) -> None:
        """Label the sessions of a file that was made before there were labels; does nothing to any other.

        Raises:
            GatewayError: a newer version made the file what it is.
        """
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute("PRAGMA user_version")
            version = cursor.fetchone()[0]
            if version > _VERSION:
                raise GatewayError(detail="A newer version of the gateway wrote these sessions: use that one.")
            if version < _LABELLED:
                cursor.execute(_SELECT_ROWS)
                for row in map(_to_row, cursor.fetchall()):
                    _put_labels(cursor, row.id, labels_of(row))
            cursor.execute(f"PRAGMA user_version = {_VERSION}")

    def _upgrade_list(self) -> None:
        """Give the list of an older file the columns that it lacks."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute("SELECT name FROM pragma_table_info('session_list')")
            there = {row[0] for row in cursor.fetchall()}
            for column, statements in _UPGRADES.items():
                for statement in statements if there and column not in there else ():
                    cursor.execute(statement)

    def keys_of(self, session_id: str) -> int:
        """How many idempotency keys stand for the session or its turns."""
        return self._count(_COUNT_KEYS, session_id)

    def snapshots(self, session_id: str, upto: int) -> list[tuple[SealedSnapshot, str]]:
        """The session's snapshots up to a version in their order, each with the hash of the event at its version."""
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(_SELECT_SNAPSHOTS, (HASH_BYTES, session_id, upto))
            return [
                (SealedSnapshot(session_id=it[0], version=it[1], format=it[2], sealed=it[3]), it[4].hex())
                for it in cursor.fetchall()
            ]

    def snapshots_of(self, session_id: str) -> int:
        """How many snapshots there are of the session."""
        return self._count(_COUNT_SNAPSHOTS, session_id)

    def erased(self) -> tuple[str, ...]:
        """The ids of the sessions that were erased."""
        return tuple(row.id for row in self._select(_SELECT_ROWS + "WHERE status = 'erased' ORDER BY id", []))

    def rows_of(self, session_ids: Collection[str]) -> dict[str, ListRow]:
        """The rows of these sessions."""
        places = ", ".join("?" * len(session_ids))
        return {row.id: row for row in self._select(_SELECT_ROWS + f"WHERE id IN ({places})", list(session_ids))}

    def state(self, digest: str) -> SealedState | None:
        """What the state token with that digest stands for."""
        found = self._states("WHERE digest = ?", digest)
        return found[0] if found else None

    def states_of(self, session_id: str) -> list[SealedState]:
        """What the session's state tokens stand for, those of the first turn first."""
        return self._states("WHERE session_id = ? ORDER BY turn", session_id)

    def overdue(self, policy: RetentionPolicy, at: datetime, *, limit: int, after: str = "") -> list[RetainedSession]:
        """The sessions of which something is due, in the order of their ids."""
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(_OVERDUE, overdue_values(policy, at, limit=limit, after=after))
            return [to_retained(*columns) for columns in cursor.fetchall()]

    def forget_states(self, session_id: str, expired_by: int) -> int:
        """Delete what the session's state tokens stand for that expired by then, unless it is held."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(_FORGET_EXPIRED, (expired_by, session_id))
            cursor.execute("SELECT changes()")
            return int(cursor.fetchone()[0])

    def rows(self, query: SessionQuery, labels: Sequence[bytes] = ()) -> Iterator[ListRow]:
        """All rows that match and have all labels, last active first, from the cursor on, read `limit` at a time."""
        after = (microseconds(query.after.last_activity_at), query.after.id) if query.after else None
        rare = next((label for label in labels if self._count(_COUNT_WITH_LABEL, label) <= _FEW), None)
        while batch := self._select(*_page(query, labels, rare, after)):
            yield from batch
            after = batch[-1].last_activity_at, batch[-1].id

    def rows_by_id(self, wanted: ArchiveQuery) -> Iterator[ListRow]:
        """All rows that match, of erased sessions too, in the order of their ids, read `BY_ID` at a time."""
        after = ""
        while batch := self._select(*_by_id(wanted, after)):
            yield from batch
            after = batch[-1].id

    def left_behind(self, instance: str) -> tuple[str, ...]:
        """The ids of the sessions whose last turn has not ended and is not ours: nobody else is alive here."""
        where = "WHERE active_by IS NOT NULL AND active_by <> ? ORDER BY id"
        return tuple(row.id for row in self._select(_SELECT_ROWS + where, [instance]))

    def close(self) -> None:
        """Let go of every connection."""
        self.datastore.close()

    def _select(self, statement: str, values: list[object]) -> list[ListRow]:
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(statement, values)
            return [_to_row(columns) for columns in cursor.fetchall()]

    def _count(self, statement: str, value: str | bytes) -> int:
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(statement, (value,))
            return int(cursor.fetchone()[0])

    def _states(self, where: str, value: str) -> list[SealedState]:
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(_SELECT_STATES + where, (value,))
            return [SealedState(**dict(zip(_STATE_COLUMNS, it, strict=True))) for it in cursor.fetchall()]


class _DurablePool(SQLiteConnectionPool):
    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        connection.cursor().execute("PRAGMA synchronous=FULL")
        return connection


def _page(
    query: SessionQuery, labels: Sequence[bytes], rare: bytes | None, after: tuple[int, str] | None
) -> tuple[str, list[object]]:
    """A page of those that have all labels; if few have the `rare` one, by way of it and not down the list."""
    owned = "owner = ?" if rare is None else "+owner = ?"  # no index is used for what has a plus before it
    conditions: dict[str, tuple[object, ...]] = {owned: (query.owner,), "status <> 'erased'": ()}
    if query.status is not None:
        conditions["status = ?"] = (query.status.value,)
    if query.modality is not None:
        conditions["instr(modalities, ?)"] = (f",{query.modality.value},",)
    if query.active_after is not None:
        conditions["last_activity_at > ?"] = (microseconds(query.active_after),)
    if labels:
        conditions[" AND ".join([_HAS_LABEL] * len(labels))] = tuple(labels)
    if rare is not None:
        conditions[_WITH_LABEL] = (rare,)
    if after is not None:
        conditions["(last_activity_at, id) < (?, ?)"] = after
    where = f"WHERE {' AND '.join(conditions)} ORDER BY last_activity_at DESC, id DESC LIMIT ?"
    return _SELECT_ROWS + where, [*(value for values in conditions.values() for value in values), query.limit + 1]


def _by_id(wanted: ArchiveQuery, after: str) -> tuple[str, list[object]]:
    conditions: dict[str, object] = {"id > ?": after}
    if wanted.status is not None:
        conditions["status = ?"] = wanted.status.value
    if wanted.active_after is not None:
        conditions["last_activity_at > ?"] = microseconds(wanted.active_after)
    if wanted.closed_before is not None:
        conditions["closed_at < ?"] = microseconds(wanted.closed_before)
    where = f"WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?"
    return _SELECT_ROWS + where, [*conditions.values(), BY_ID]


def _insert_beside(cursor: SQLiteCursor, entry: Entry) -> None:
    """What goes with the events of an entry."""
    if (row := entry.row) is None:
        return
    cursor.execute(_PUT_ROW, astuple(row))
    if entry.labels is not None:
        _put_labels(cursor, row.id, entry.labels)
    if row.status == SessionStatus.ERASED:
        for statement in (_FORGET_KEYS, _FORGET_STATES, _FORGET_SNAPSHOTS):
            cursor.execute(statement, (row.id,))
    if use := entry.key_use:
        cursor.execute(_FREE_KEY, (use.owner, use.key.key, use.session_id, use.instead_of))
        cursor.execute(_USE_KEY, (use.owner, use.key.key, use.key.fingerprint, use.session_id, use.turn))
    if entry.state:
        cursor.execute(_PUT_STATE, astuple(entry.state))
    if entry.snapshot:
        cursor.execute(_PUT_SNAPSHOT, astuple(entry.snapshot))


def _put_labels(cursor: SQLiteCursor, session_id: str, labels: Sequence[bytes]) -> None:
    cursor.execute("DELETE FROM session_labels WHERE session_id = ?", (session_id,))
    cursor.executemany("INSERT OR IGNORE INTO session_labels VALUES (?, ?)", [(it, session_id) for it in labels])


def _to_row(columns: Sequence[Any]) -> ListRow:
    return ListRow(**dict(zip(_COLUMNS, columns, strict=True)))
