"""The events and the list in PostgreSQL, by the library's recorder with tables of our own (`migrations/`).

PostgreSQL from 14, by psycopg 3. For any number of gateway processes. Appends of all of them are one after the other
(`LOCK TABLE … IN EXCLUSIVE MODE`), so that whoever reads the log by notification ids misses nothing; reads do not wait.

A call that gets no answer is made again, up to ten times, by the library: after a COMMIT that was lost on its way back,
the second one meets what the first one stored, and the store looks whether it is ours.

What it cannot do: work through a pooler that shares one connection between transactions, as session settings are used.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import astuple, fields
from eventsourcing.persistence import InterfaceError, OperationalError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from eventsourcing.utils import retry
from psycopg import Connection, Cursor
from psycopg.rows import DictRow, dict_row

from ...application.audit import ArchiveQuery
from ...application.ports import SessionQuery
from ...domain.idempotency import IdempotencyKey, KeyUse
from ...domain.retention import RetainedSession, RetentionPolicy
from ...domain.session import SessionStatus
from ..database.connections import parameters_of
from .list_row import ListRow, microseconds
from .mapper import HASH_BYTES
from .recorder import BY_ID, Entry
from .retention import overdue_statement, overdue_values, to_retained
from .snapshots import SealedSnapshot
from .states import SealedState

CONNECTION_WAIT_S = 2.0
PIPELINED_BYTES = 2**17
"""How much may be under way at once: psycopg 3.3 waits for ever for the answers to a pipeline of statements that the
socket has no room for, from about 1 MB on."""
LOCK_TIMEOUT_S = 5
DEAD_AFTER_S = 6.0
_AS_WE_NEED_IT: Final = """
SET search_path TO public;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""

_COLUMNS = tuple(attribute.name for attribute in fields(ListRow))
_PUT_ROW = (
    f"INSERT INTO session_list ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))}) "  # noqa: S608 - names of our own
    f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS[1:])}"
)
_SELECT_ROWS = f"SELECT {', '.join(_COLUMNS)} FROM session_list "  # noqa: S608 - names of our own
_FREE_KEY = "DELETE FROM idempotency_keys WHERE owner = %s AND key = %s AND session_id = %s AND turn = %s"
_USE_KEY = "INSERT INTO idempotency_keys (owner, key, fingerprint, session_id, turn) VALUES (%s, %s, %s, %s, %s)"
_SELECT_KEY = "SELECT fingerprint, session_id, turn FROM idempotency_keys WHERE owner = %s AND key = %s"
_FORGET_KEYS = "DELETE FROM idempotency_keys WHERE session_id = %s"
_PUT_STATE = "INSERT INTO session_states VALUES (%s, %s, %s, %s, %s)"
_SELECT_STATES = "SELECT digest, session_id, turn, expires_at, sealed FROM session_states "
_FORGET_STATES = "DELETE FROM session_states WHERE session_id = %s"
_FORGET_EXPIRED = """
WITH forgotten AS (
    DELETE FROM session_states WHERE expires_at <= %s
    AND session_id IN (SELECT id FROM session_list WHERE id = %s AND held = 0 FOR SHARE)  -- who holds it now, waits
    RETURNING 1
) SELECT count(*) AS states FROM forgotten"""
_OVERDUE = overdue_statement("%({})s".format)
_PUT_SNAPSHOT = """
INSERT INTO session_snapshots VALUES (%s, %s, %s, %s)
ON CONFLICT (session_id, version) DO UPDATE SET format = excluded.format, sealed = excluded.sealed"""
_SELECT_SNAPSHOTS = """
SELECT session_id, version, format, sealed, substr(state, 1, %s) AS tip
FROM session_snapshots JOIN stored_events ON (originator_id, originator_version) = (session_id, version)
WHERE session_id = %s AND version <= %s ORDER BY version"""
_COUNT_SNAPSHOTS = "SELECT count(*) AS snapshots FROM session_snapshots WHERE session_id = %s"
_FORGET_SNAPSHOTS = "DELETE FROM session_snapshots WHERE session_id = %s"
_COUNT_KEYS = "SELECT count(*) AS keys FROM idempotency_keys WHERE session_id = %s"
_FORGET_LABELS = "DELETE FROM session_labels WHERE session_id = %s"
_PUT_LABELS = "INSERT INTO session_labels SELECT DISTINCT unnest(%s::bytea[]), %s"
_LEFT_BEHIND = """
WITH long_ago AS (SELECT clock_timestamp() - make_interval(secs => %(dead_after_s)s) AS it)
SELECT id FROM long_ago, session_list LEFT JOIN gateway_processes AS its ON its.name = active_by
WHERE active_by IS NOT NULL AND active_by <> %(me)s AND (its.name IS NULL OR its.seen_at < long_ago.it AND EXISTS (
    SELECT FROM gateway_processes AS mine WHERE mine.name = %(me)s AND mine.steady_since < long_ago.it
)) ORDER BY id"""


class SessionDatastore(PostgresDatastore):
    """The library's pool of connections, to the database that a URL names."""

    def __init__(self, url: str, *, connections: int) -> None:
        """Connects when it is first used; raises GatewayError if `url` is none that libpq takes."""
        super().__init__(
            dbname="",
            host="",
            port="",
            user="",
            password="",
            originator_id_type="text",
            pool_size=connections,
            connect_timeout=CONNECTION_WAIT_S,
            idle_in_transaction_session_timeout=LOCK_TIMEOUT_S,
            lock_timeout=LOCK_TIMEOUT_S,
            pre_ping=True,
        )
        # Not prepared: psycopg takes a statement for prepared that a failed pipeline had skipped, and fails ever after.
        self.pool.kwargs = {**parameters_of(url), "row_factory": dict_row, "prepare_threshold": None}
        self.pool.reconnect_timeout = LOCK_TIMEOUT_S  # then the next caller tries, and does not wait for a long backoff

    def after_connect_func(self) -> Callable[[Connection[Any]], None]:
        """What every new connection is set to."""
        configure = super().after_connect_func()

        def after_connect(connection: Connection[Any]) -> None:
            configure(connection)
            connection.execute(_AS_WE_NEED_IT)

        return after_connect

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def run(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[dict[str, Any]]:
        """Run one statement that may be run twice, durably, and fetch what it returns."""
        # Binary: bytes come as they are, and not as hexadecimal digits.
        with self.get_connection() as connection, connection.cursor(binary=True) as cursor:
            cursor.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []


class PostgresSessionRecorder(PostgresApplicationRecorder):
    """The library's recorder; it also keeps what goes with the events."""

    datastore: SessionDatastore

    def insert(self, entries: Sequence[Entry]) -> None:
        """Store everything of all entries, or nothing."""
        events = [event for entry in entries for event in entry.events]
        if sum(map(_size, entries)) > PIPELINED_BYTES:
            self._insert_one_by_one(events, entries)
        else:
            self.insert_events(events, entries=entries)

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def _insert_one_by_one(self, events: Sequence[StoredEvent], entries: Sequence[Entry]) -> None:
        """What `insert_events` does, with an answer awaited after every statement."""
        with self.datastore.get_connection() as connection, connection.transaction(), connection.cursor() as curs:
            self._insert_events(curs, events, entries=entries)
            self._insert_stored_events(curs, events)

    def _insert_events(self, curs: Cursor[DictRow], stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        for statement in self.lock_table_statements:  # before any row is touched: whoever waits holds nothing
            curs.execute(statement)
        for entry in kwargs["entries"]:
            _insert_beside(curs, entry)
        super()._insert_events(curs, stored_events, **kwargs)

    def _notify_channel(self, curs: Cursor[DictRow]) -> None:
        """Nobody is notified: NOTIFY locks the whole database at commit, and `Arrivals` polls anyway."""

    def key_use(self, owner: str, key: str) -> KeyUse | None:
        """What the owner's idempotency key stands for."""
        for found in self.datastore.run(_SELECT_KEY, (owner, key)):
            return KeyUse(
                owner=owner,
                key=IdempotencyKey(key=key, fingerprint=found["fingerprint"]),
                session_id=found["session_id"],
                turn=found["turn"],
            )
        return None

    def keys_of(self, session_id: str) -> int:
        """How many idempotency keys stand for the session or its turns."""
        return int(self.datastore.run(_COUNT_KEYS, (session_id,))[0]["keys"])

    def erased(self) -> tuple[str, ...]:
        """The ids of the sessions that were erased."""
        return tuple(it["id"] for it in self.datastore.run("SELECT id FROM session_list WHERE status = 'erased'"))

    def rows_of(self, session_ids: Collection[str]) -> dict[str, ListRow]:
        """The rows of these sessions."""
        return {row.id: row for row in self._rows("WHERE id = ANY(%s)", [list(session_ids)])}

    def state(self, digest: str) -> SealedState | None:
        """What the state token with that digest stands for."""
        found = self.datastore.run(_SELECT_STATES + "WHERE digest = %s", (digest,))
        return SealedState(**found[0]) if found else None

    def states_of(self, session_id: str) -> list[SealedState]:
        """What the session's state tokens stand for, those of the first turn first."""
        found = self.datastore.run(_SELECT_STATES + "WHERE session_id = %s ORDER BY turn", (session_id,))
        return [SealedState(**columns) for columns in found]

    def overdue(self, policy: RetentionPolicy, at: datetime, *, limit: int, after: str = "") -> list[RetainedSession]:
        """The sessions of which something is due, in the order of their ids."""
        found = self.datastore.run(_OVERDUE, overdue_values(policy, at, limit=limit, after=after))
        return [to_retained(it["id"], it["owner"], it["closed_at"], it["first_expiry"]) for it in found]

    def forget_states(self, session_id: str, expired_by: int) -> int:
        """Delete what the session's state tokens stand for that expired by then, unless it is held."""
        return int(self.datastore.run(_FORGET_EXPIRED, (expired_by, session_id))[0]["states"])

    def snapshots(self, session_id: str, upto: int) -> list[tuple[SealedSnapshot, str]]:
        """The session's snapshots up to a version in their order, each with the hash of the event at its version."""
        found = self.datastore.run(_SELECT_SNAPSHOTS, (HASH_BYTES, session_id, upto))
        return [(SealedSnapshot(**it), tip.hex()) for it in found if (tip := it.pop("tip"))]

    def snapshots_of(self, session_id: str) -> int:
        """How many snapshots there are of the session."""
        return int(self.datastore.run(_COUNT_SNAPSHOTS, (session_id,))[0]["snapshots"])

    def rows(self, query: SessionQuery, labels: Sequence[bytes] = ()) -> Iterator[ListRow]:
        """All rows that match and have all labels, last active first, from the cursor on, read `limit` at a time."""
        after = (microseconds(query.after.last_activity_at), query.after.id) if query.after else None
        while batch := self._rows(*_page(query, labels, after)):
            yield from batch
            after = batch[-1].last_activity_at, batch[-1].id

    def rows_by_id(self, wanted: ArchiveQuery) -> Iterator[ListRow]:
        """All rows that match, of erased sessions too, in the order of their ids, read `BY_ID` at a time."""
        after = ""
        while batch := self._rows(*_by_id(wanted, after)):
            yield from batch
            after = batch[-1].id

    def left_behind(self, instance: str) -> tuple[str, ...]:
        """The ids of the sessions with a turn that has not ended, whose process did not say for long that it lives."""
        return tuple(
            it["id"] for it in self.datastore.run(_LEFT_BEHIND, {"me": instance, "dead_after_s": DEAD_AFTER_S})
        )

    def _rows(self, where: str, values: Sequence[object]) -> list[ListRow]:
        return [ListRow(**columns) for columns in self.datastore.run(_SELECT_ROWS + where, values)]


def _size(entry: Entry) -> int:
    """The bytes of an entry that can be many."""
    return sum(len(event.state) for event in entry.events) + (len(entry.snapshot.sealed) if entry.snapshot else 0)


def _insert_beside(curs: Cursor[DictRow], entry: Entry) -> None:
    """What goes with the events of an entry."""
    if (row := entry.row) is None:
        return
    curs.execute(_PUT_ROW.encode(), astuple(row))
    if entry.labels is not None:
        curs.execute(_FORGET_LABELS, (row.id,))
        curs.execute(_PUT_LABELS, (entry.labels, row.id))
    if row.status == SessionStatus.ERASED:
        for statement in (_FORGET_KEYS, _FORGET_STATES, _FORGET_SNAPSHOTS):
            curs.execute(statement, (row.id,))
    if use := entry.key_use:
        curs.execute(_FREE_KEY, (use.owner, use.key.key, use.session_id, use.instead_of))
        curs.execute(_USE_KEY, (use.owner, use.key.key, use.key.fingerprint, use.session_id, use.turn))
    if entry.state:
        curs.execute(_PUT_STATE, astuple(entry.state))
    if entry.snapshot:
        curs.execute(_PUT_SNAPSHOT, astuple(entry.snapshot))


def _page(query: SessionQuery, labels: Sequence[bytes], after: tuple[int, str] | None) -> tuple[str, list[object]]:
    conditions: dict[str, tuple[object, ...]] = {"owner = %s": (query.owner,), "status <> 'erased'": ()}
    if query.status is not None:
        conditions["status = %s"] = (query.status.value,)
    if query.modality is not None:
        conditions["position(%s in modalities) > 0"] = (f",{query.modality.value},",)
    if query.active_after is not None:
        conditions["last_activity_at > %s"] = (microseconds(query.active_after),)
    if labels:
        found = " INTERSECT ".join(["SELECT session_id FROM session_labels WHERE label = %s"] * len(labels))
        conditions[f"id IN ({found})"] = tuple(labels)
    if after is not None:
        conditions["(last_activity_at, id) < (%s, %s)"] = after
    where = f"WHERE {' AND '.join(conditions)} ORDER BY last_activity_at DESC, id DESC LIMIT %s"
    return where, [*(value for values in conditions.values() for value in values), query.limit + 1]


def _by_id(wanted: ArchiveQuery, after: str) -> tuple[str, list[object]]:
    conditions: dict[str, object] = {"id > %s": after}
    if wanted.status is not None:
        conditions["status = %s"] = wanted.status.value
    if wanted.active_after is not None:
        conditions["last_activity_at > %s"] = microseconds(wanted.active_after)
    if wanted.closed_before is not None:
        conditions["closed_at < %s"] = microseconds(wanted.closed_before)
    where = f"WHERE {' AND '.join(conditions)} ORDER BY id LIMIT %s"
    return where, [*conditions.values(), BY_ID]
