"""The one thread that appends: whatever waits when it is free is written in one transaction, and synced once.

Many sessions at once so cost the disk as much as one, and the interpreter is not torn between threads that encode. What
comes alone is written at once: nothing waits for more to come.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from itertools import repeat
from threading import Condition, Thread

from attrs import frozen
from eventsourcing.persistence import IntegrityError, StoredEvent

from ...application.ports import Provenance
from ...domain import errors
from ...domain.errors import Draining, IdempotencyInProgress, NotFound, VersionConflict
from ...domain.idempotency import KeyUse
from ...domain.session import (
    HeldState,
    Session,
    SessionChanged,
    SessionErased,
    SessionEvent,
    SessionOpened,
    SessionStatus,
    apply,
    event_id,
)
from ..system import now
from .keyring import Keyring
from .list_row import ListRow, labels_of, to_row, without_content
from .mapper import ChainedEvent, SessionMapper, hash_of
from .recorder import Entry, SessionRecorder
from .snapshots import is_due, take
from .states import to_sealed

BATCH = 64
"""How many appends share a transaction at the most."""

_LABELLING = SessionOpened | SessionChanged | SessionErased


@frozen(kw_only=True)
class Append:
    """Events to store after `session.version`, and what is stored with them.

    `provenance` is that of all of them, or one for each.
    """

    session: Session
    events: Sequence[SessionEvent]
    provenance: Provenance | Sequence[Provenance]
    key_use: KeyUse | None = None
    state: HeldState | None = None

    @property
    def caused(self) -> Iterator[tuple[SessionEvent, Provenance]]:
        """Each event with its provenance."""
        every = repeat(self.provenance) if isinstance(self.provenance, Provenance) else self.provenance
        return zip(self.events, every, strict=False)


@frozen
class _Prepared:
    entry: Entry
    session: Session
    key_use: KeyUse | None
    done: Future[Session]


class SessionWriter:
    """Owns the thread."""

    def __init__(
        self,
        recorder: SessionRecorder,
        keyring: Keyring,
        translated: Callable[[], AbstractContextManager[None]],
        instance: str,
        snapshot_every: int,
    ) -> None:
        """Start the thread.

        Args:
            recorder: the events and the list.
            keyring: the sessions' keys.
            translated: a context that turns the database's errors into those of the domain.
            instance: the name of this process.
            snapshot_every: after how many events of a session it takes a snapshot.
        """
        self._recorder, self._keyring, self._translated, self._instance = recorder, keyring, translated, instance
        self._snapshot_every = snapshot_every
        self._waiting: deque[tuple[Append, Future[Session]]] = deque()
        self._changed = Condition()
        self._closing = False
        self._thread = Thread(target=self._work, name="sessions-writer", daemon=True)
        self._thread.start()

    def submit(self, append: Append) -> Future[Session]:
        """Append when it is its turn; the state after the events is there once they are durable.

        Raises:
            Draining: it is closed.
        """
        done: Future[Session] = Future()
        with self._changed:
            if self._closing:
                raise Draining(detail="The session store is closed.")
            self._waiting.append((append, done))
            self._changed.notify()
        return done

    def close(self) -> None:
        """Write what waits, then end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while taken := self._next():
            # From here on it cannot be cancelled; who was cancelled before wants nothing any more.
            batch = [(append, done) for append, done in taken if done.set_running_or_notify_cancel()]
            try:
                with self._translated():
                    self._write(batch)
            except Exception as error:
                for _, done in batch:
                    if not done.done():
                        done.set_exception(error)

    def _next(self) -> list[tuple[Append, Future[Session]]]:
        """What waits, up to the first that must see what another one of the batch stored; nothing when it is over."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            batch, seen = list[tuple[Append, Future[Session]]](), set[str]()
            while self._waiting and len(batch) < BATCH and self._waiting[0][0].session.id not in seen:
                seen.add(self._waiting[0][0].session.id)
                batch.append(self._waiting.popleft())
            return batch

    def _write(self, batch: Sequence[tuple[Append, Future[Session]]]) -> None:
        rows = self._recorder.rows_of([append.session.id for append, _ in batch])
        self._keyring.create(*(append.session.id for append, _ in batch if _opens(append, rows.get(append.session.id))))
        keys = self._keyring.several([append.session.id for append, _ in batch])
        prepared = []
        for append, done in batch:
            try:
                entry, session = self._prepare(append, rows.get(append.session.id), keys.get(append.session.id))
            except errors.GatewayError as error:
                done.set_exception(error)
                continue
            if entry is None:
                done.set_result(session)
            else:
                prepared.append(_Prepared(entry, session, append.key_use, done))
        self._insert(prepared)

    def _insert(self, prepared: Sequence[_Prepared]) -> None:
        if not prepared:
            return
        try:
            self._recorder.insert([it.entry for it in prepared])
        except IntegrityError as exc:
            if len(prepared) > 1:
                for it in prepared:
                    self._insert([it])
                return
            (alone,) = prepared
            if not self._is_stored(alone.entry.events):
                alone.done.set_exception(self._conflict(alone, exc))
                return
        for it in prepared:
            it.done.set_result(it.session)

    def _prepare(self, append: Append, row: ListRow | None, key: bytes | None) -> tuple[Entry | None, Session]:
        session = append.session
        if row and row.status == SessionStatus.ERASED:
            raise was_erased(row)
        if (row.version if row else 0) != session.version:
            raise _moved_on(session)
        if not append.events:
            return None, session
        if key is None:
            raise was_erased(row) if row else NotFound.of("session", session.id)
        mapper, stored, tip = SessionMapper(key), list[StoredEvent](), row.tip if row else ""
        for event, provenance in append.caused:
            stored.append(mapper.to_stored_event(_chained(session, event, provenance, tip)))
            # The state is folded from the bytes: whatever they could not give back is noticed before it is stored.
            session, tip = apply(session, mapper.to_event(stored[-1])), hash_of(stored[-1])
        snapshot = None
        if is_due(session, self._snapshot_every):
            snapshot, session = take(session, tip=tip, key=key)
        new = to_row(session, tip=tip, key=key, active_by=self._instance)
        entry = Entry(
            events=stored,
            row=without_content(new) if session.status is SessionStatus.ERASED else new,
            key_use=append.key_use,
            labels=labels_of(session, self._keyring)
            if any(isinstance(it, _LABELLING) for it in append.events)
            else None,
            state=to_sealed(append.state, key) if append.state else None,
            snapshot=snapshot,
        )
        return entry, session

    def _is_stored(self, events: Sequence[StoredEvent]) -> bool:
        """Whether the recorder, which sends again what it got no answer for, met what it had stored the first time.

        The random salt and nonce in each event's bytes make them different from anybody else's.
        """
        first, last = events[0], events[-1]
        found = self._recorder.select_events(
            str(first.originator_id), gt=first.originator_version - 1, lte=last.originator_version
        )
        return list(found) == list(events)

    def _conflict(self, refused: _Prepared, cause: IntegrityError) -> errors.GatewayError:
        error: errors.GatewayError = _moved_on(refused.session)
        if refused.key_use and self._is_taken(refused.key_use):
            error = IdempotencyInProgress(retry_after_s=1)
        error.__cause__ = cause
        return error

    def _is_taken(self, wanted: KeyUse) -> bool:
        use = self._recorder.key_use(wanted.owner, wanted.key.key)
        return use is not None and (use.session_id, use.turn) != (wanted.session_id, wanted.instead_of)


def was_erased(row: ListRow) -> errors.SessionErased:
    """The error for a session of which only the list row is left."""
    return errors.SessionErased(detail=f"Session {row.id} was erased: its content is gone.", owner=row.owner)


def _opens(append: Append, row: ListRow | None) -> bool:
    return row is None and append.session.version == 0 and bool(append.events)


def _moved_on(session: Session) -> VersionConflict:
    return VersionConflict(detail=f"Session {session.id} has moved on: read it again, then retry.")


def _chained(session: Session, event: SessionEvent, provenance: Provenance, tip: str) -> ChainedEvent[SessionEvent]:
    version = session.version + 1
    return ChainedEvent(
        originator_id=session.id,
        originator_version=version,
        event=event,
        event_id=event_id(session.id, version),
        provenance=provenance,
        recorded_at=now(),
        previous_hash=tip,
    )
