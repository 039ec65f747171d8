"""Sessions as event streams, by the `eventsourcing` library (9.5): its mapper and its recorder, not its aggregates.

The library is synchronous, so every call runs on threads that the store owns. An append reads the session's row for the
hash to go on from, then writes its events and the new row in one transaction: the unique (session, version) makes a
second writer fail. Each kind of database has a recorder, a table of wrapped keys and a builder: `sqlite_sessions`,
`postgres_sessions`.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from itertools import islice
from typing import TypeVar

from eventsourcing.persistence import IntegrityError, StoredEvent

from ...application.audit import SessionRecord
from ...application.ports import (
    Erasure,
    Provenance,
    RecordedEvent,
    SessionPage,
    SessionQuery,
    SessionSummary,
    Verification,
)
from ...domain import errors
from ...domain.errors import (
    Draining,
    GatewayError,
    IdempotencyInProgress,
    NotFound,
    VersionConflict,
)
from ...domain.idempotency import KeyUse
from ...domain.session import (
    Session,
    SessionChanged,
    SessionErased,
    SessionEvent,
    SessionOpened,
    SessionStatus,
    apply,
    fold,
)
from ..system import IdSequence, now
from .arrivals import Arrivals
from .keyring import Keyring
from .list_row import ListRow, to_row, to_summary, without_content
from .mapper import ChainedEvent, SessionMapper, hash_of, is_intact, record, recorded
from .recorder import SessionRecorder

T = TypeVar("T")

_LABELLING = SessionOpened | SessionChanged | SessionErased


class EventSessionStore:
    """Implements `SessionStore`."""

    def __init__(
        self,
        *,
        recorder: SessionRecorder,
        keyring: Keyring,
        translated: Callable[[], AbstractContextManager[None]],
        opened: ExitStack,
        instance: str,
        threads: int,
    ) -> None:
        """Serve the sessions of a database that is open.

        Args:
            recorder: the events and the list.
            keyring: the sessions' keys.
            translated: a context that turns the database's errors into those of the domain.
            opened: what is let go of when the store is closed, once no thread works any more.
            instance: the name of this process among those that use the database.
            threads: how many calls the database may work on at once.
        """
        self._recorder, self._keyring, self._translated, self._opened = recorder, keyring, translated, opened
        self._instance = instance
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="sessions")
        self._opened.callback(self._threads.shutdown)
        self._new_id = IdSequence()
        self._arrivals = Arrivals(self._versions)

    async def load(self, session_id: str, *, at_version: int | None = None) -> Session:
        """Fold the stream, whole or up to a version."""
        return await self._run(lambda: self._load(session_id, at_version))

    async def append(
        self,
        session: Session,
        events: Sequence[SessionEvent],
        provenance: Provenance,
        *,
        key_use: KeyUse | None = None,
    ) -> Session:
        """Store events; without any, the session is returned as it is."""
        appended = await self._run(lambda: self._append(session, events, provenance, key_use))
        self._arrivals.tell(appended.id, appended.version)
        return appended

    async def erase(self, session: Session, erased: SessionErased, provenance: Provenance) -> Erasure:
        """Store the last event and destroy the session's key."""
        erasure = await self._run(lambda: self._erase(session, erased, provenance))
        self._arrivals.tell(session.id, session.version + 1)
        return erasure

    async def key_use(self, owner: str, key: str) -> KeyUse | None:
        """What the owner's idempotency key stands for."""
        return await self._run(lambda: self._recorder.key_use(owner, key))

    async def history(self, session_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[RecordedEvent]:
        """The stream as it was recorded."""
        return await self._run(lambda: self._history(session_id, after, limit))

    async def record(self, session_id: str) -> SessionRecord:
        """The stream as it is stored, for an export; of an erased session, without content."""
        return await self._run(lambda: self._record(session_id))

    async def changed(self, session_id: str, version: int, timeout_s: float) -> bool:
        """Wait for events after `version`, of this process or another one."""
        return await self._arrivals.after(session_id, version, timeout_s)

    async def verify(self, session_id: str) -> Verification:
        """Compute the chain anew; works without the session's key."""
        return await self._run(lambda: self._verify(session_id))

    async def find(self, query: SessionQuery) -> SessionPage:
        """The sessions that match, last active first, those of the same moment by their ids."""
        return await self._run(lambda: self._find(query))

    async def active(self) -> Sequence[str]:
        """The ids of the sessions whose last turn has not ended, and never will: its process is gone."""
        return await self._run(self._left_behind)

    async def close(self) -> None:
        """Finish what was begun, then let go of the database."""
        await self._arrivals.close()
        await asyncio.to_thread(self._opened.close)

    async def _versions(self, session_ids: Collection[str]) -> dict[str, int]:
        return await self._run(
            lambda: {it: row.version for it in session_ids if (row := self._recorder.row(it)) is not None}
        )

    async def _run(self, work: Callable[[], T]) -> T:
        """Work on a thread. Whoever is cancelled while waiting does not learn the outcome: begun work is finished."""

        def run() -> T:
            with self._translated():
                return work()

        try:
            future = self._threads.submit(run)
        except RuntimeError as exc:
            raise Draining(detail="The session store is closed.") from exc
        return await asyncio.wrap_future(future)

    # ── On the store's threads ────────────────────────────────────────────────────────────────────────────────────

    def _erase(self, session: Session, erased: SessionErased, provenance: Provenance) -> Erasure:
        keys = self._recorder.keys_of(session.id)
        self._append(session, (erased,), provenance, None)
        self._keyring.destroy(session.id)
        row, found = self._known(session.id), self._verify(session.id)
        if self._keyring.get(session.id) or row.sealed or self._recorder.keys_of(session.id) or not found.valid:
            raise GatewayError(
                detail=f"Session {session.id} was erased, but something of it is still there: verify it."
            )
        return Erasure(
            session_id=session.id,
            erased_at=erased.at,
            events=found.events,
            head=found.head,
            idempotency_keys=keys,
        )

    def _append(
        self, session: Session, events: Sequence[SessionEvent], provenance: Provenance, key_use: KeyUse | None
    ) -> Session:
        row = self._recorder.row(session.id)
        if (row.version if row else 0) != session.version:
            raise _conflict(session)
        if not events:
            return session
        key = self._keyring.get(session.id) if row else self._keyring.create(session.id)
        if key is None or (row and row.status == SessionStatus.ERASED):
            raise _was_erased(row) if row else NotFound.of("session", session.id)
        mapper, stored, tip = SessionMapper(key), list[StoredEvent](), row.tip if row else ""
        for event in events:
            stored.append(mapper.to_stored_event(self._chained(session, event, provenance, tip)))
            # The state is folded from the bytes: whatever they could not give back is noticed before it is stored.
            session, tip = apply(session, mapper.to_event(stored[-1])), hash_of(stored[-1])
        new = to_row(session, tip=tip, key=key, active_by=self._instance)
        new = without_content(new) if session.status is SessionStatus.ERASED else new
        labels = labels_of(session, self._keyring) if any(isinstance(it, _LABELLING) for it in events) else None
        try:
            self._recorder.insert_events(stored, row=new, key_use=key_use, labels=labels)
        except IntegrityError as exc:
            if not self._is_stored(stored):
                if key_use and self._is_taken(key_use):
                    raise IdempotencyInProgress(retry_after_s=1) from exc
                raise _conflict(session) from exc
        return session

    def _is_stored(self, events: Sequence[StoredEvent]) -> bool:
        """Whether the recorder, which sends again what it got no answer for, met what it had stored the first time.

        The random salt and nonce in each event's bytes make them different from anybody else's.
        """
        first, last = events[0], events[-1]
        found = self._recorder.select_events(
            str(first.originator_id), gt=first.originator_version - 1, lte=last.originator_version
        )
        return list(found) == list(events)

    def _is_taken(self, wanted: KeyUse) -> bool:
        use = self._recorder.key_use(wanted.owner, wanted.key.key)
        return use is not None and (use.session_id, use.turn) != (wanted.session_id, wanted.instead_of)

    def _chained(self, session: Session, event: SessionEvent, provenance: Provenance, tip: str) -> ChainedEvent:
        return ChainedEvent(
            originator_id=session.id,
            originator_version=session.version + 1,
            event=event,
            event_id=self._new_id("evt"),
            provenance=provenance,
            recorded_at=now(),
            previous_hash=tip,
        )

    def _load(self, session_id: str, at_version: int | None) -> Session:
        row = self._known(session_id)
        mapper = self._mapper(row)
        version = row.version if at_version is None else at_version
        if not 1 <= version <= row.version:
            raise NotFound(detail=f"Session {session_id} has no version {version}: it is at {row.version}.")
        return fold(session_id, map(mapper.to_event, self._stored(session_id, 0, version)))

    def _history(self, session_id: str, after: int, limit: int | None) -> tuple[RecordedEvent, ...]:
        row = self._known(session_id)
        mapper, last = self._mapper(row), row.version
        first = max(after, 0)
        stored_events = self._stored(session_id, first, last if limit is None else min(last, first + limit))
        return tuple(recorded(mapper.to_domain_event(stored), stored) for stored in stored_events)

    def _record(self, session_id: str) -> SessionRecord:
        row, key = self._known(session_id), self._keyring.get(session_id)
        mapper = SessionMapper(key) if key else None
        stored_events = self._stored(session_id, 0, row.version)
        return SessionRecord(id=row.id, owner=row.owner, events=tuple(record(it, mapper) for it in stored_events))

    def _stored(self, session_id: str, after: int, upto: int) -> Sequence[StoredEvent]:
        """The events of these versions, every one: a stream that lost some is not answered as if it were whole."""
        stored_events = self._recorder.select_events(session_id, gt=after, lte=upto)
        if missing := set(range(after + 1, upto + 1)) - {stored.originator_version for stored in stored_events}:
            raise GatewayError(detail=f"Event {min(missing)} of session {session_id} is missing: verify the session.")
        return stored_events

    def _verify(self, session_id: str) -> Verification:
        row, stored_events = self._recorder.row(session_id), self._recorder.select_events(session_id)
        if row is None and not stored_events:
            raise NotFound.of("session", session_id)
        broken_at = _first_broken(stored_events, row)
        head = hash_of(stored_events[-1]) if stored_events else ""
        return Verification(
            valid=broken_at is None,
            events=len(stored_events),
            head=head,
            broken_at=broken_at,
            erased=row is not None and row.status == SessionStatus.ERASED,
        )

    def _find(self, query: SessionQuery) -> SessionPage:
        labels = [self._keyring.label(query.owner, *it) for it in query.metadata.items()]
        readable = (summary for row in self._recorder.rows(query, labels) if (summary := self._summary(row)))
        found = tuple(islice(readable, query.limit + 1))
        return SessionPage(sessions=found[: query.limit], has_more=len(found) > query.limit)

    def _left_behind(self) -> tuple[str, ...]:
        return tuple(it for it in self._recorder.left_behind(self._instance) if self._keyring.get(it))

    def _summary(self, row: ListRow) -> SessionSummary | None:
        key = self._keyring.get(row.id)
        return to_summary(row, key=key) if key else None

    def _known(self, session_id: str) -> ListRow:
        row = self._recorder.row(session_id)
        if row is None:
            raise NotFound.of("session", session_id)
        return row

    def _mapper(self, row: ListRow) -> SessionMapper:
        key = self._keyring.get(row.id)
        if key is None or row.status == SessionStatus.ERASED:
            raise _was_erased(row)
        return SessionMapper(key)


def labels_of(session: Session | SessionSummary, keyring: Keyring) -> list[bytes]:
    """By what the session is found; an erased one by nothing."""
    if session.status is SessionStatus.ERASED:
        return []
    return [keyring.label(session.owner, *it) for it in session.metadata.items()]


def _first_broken(stored_events: Sequence[StoredEvent], row: ListRow | None) -> int | None:
    """The first version that is not what it was, by its own hash, by its place, and by what the list knows."""
    version, tip = (row.version, row.tip) if row else (0, "")
    head = ""
    for expected, stored in enumerate(stored_events, 1):
        if stored.originator_version != expected or expected > version or not is_intact(stored, head):
            return expected
        head = hash_of(stored)
    if len(stored_events) < version:
        return len(stored_events) + 1
    return None if head == tip else version


def _was_erased(row: ListRow) -> errors.SessionErased:
    return errors.SessionErased(detail=f"Session {row.id} was erased: its content is gone.", owner=row.owner)


def _conflict(session: Session) -> VersionConflict:
    return VersionConflict(detail=f"Session {session.id} has moved on: read it again, then retry.")
