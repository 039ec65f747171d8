"""Sessions kept in memory: to develop against, and for tests. They end with the process."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from itertools import islice

from attrs import evolve

from ...application.audit import ArchiveQuery, EventRecord, StreamHead
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
from ...domain.errors import IdempotencyInProgress, NotFound, VersionConflict
from ...domain.idempotency import KeyUse
from ...domain.retention import RetainedSession, RetentionPolicy, due
from ...domain.session import HeldState, Session, SessionErased, SessionEvent, apply, event_id, fold
from ..system import now
from .audit_trail import MemoryAuditTrail


class MemorySessionStore:
    """Implements `SessionStore` and `RetentionStore`. The bytes that its chain is made over are those of `repr`."""

    def __init__(self) -> None:
        self._streams: dict[str, list[RecordedEvent]] = {}
        self._sessions: dict[str, Session] = {}
        self._appended = asyncio.Event()
        self._erased: dict[str, tuple[Verification, str]] = {}
        self._key_uses: dict[tuple[str, str], KeyUse] = {}
        self._states: dict[str, HeldState] = {}
        self._left_behind: set[tuple[str, int]] = set()
        self.trail = MemoryAuditTrail()

    async def load(self, session_id: str, *, at_version: int | None = None) -> Session:
        """Fold the stream, whole or up to a version."""
        stream = self._stream(session_id)
        if at_version is None:
            return self._sessions[session_id]
        if not 1 <= at_version <= len(stream):
            raise NotFound(detail=f"Session {session_id} has no version {at_version}: it is at {len(stream)}.")
        return fold(session_id, (recorded.event for recorded in stream[:at_version]))

    async def owner(self, session_id: str) -> str:
        """Whose the session is, or was before it was erased."""
        if session_id in self._erased:
            return self._erased[session_id][1]
        self._stream(session_id)
        return self._sessions[session_id].owner

    async def append(
        self,
        session: Session,
        events: Sequence[SessionEvent],
        provenance: Provenance,
        *,
        key_use: KeyUse | None = None,
        state: HeldState | None = None,
    ) -> Session:
        """Add events to the stream; without any, the session is returned as it is."""
        return self._append(session, [(event, provenance) for event in events], key_use, state)

    async def restore(self, session_id: str, events: Sequence[RecordedEvent]) -> Session:
        """Store the events of a whole stream, each with the provenance that it was recorded with."""
        return self._append(Session(id=session_id), [(it.event, it.provenance) for it in events])

    def _append(
        self,
        session: Session,
        events: Sequence[tuple[SessionEvent, Provenance]],
        key_use: KeyUse | None = None,
        state: HeldState | None = None,
    ) -> Session:
        self._expect_not_erased(session.id)
        stream = self._streams.get(session.id, [])
        if len(stream) != session.version:
            raise VersionConflict(detail=f"Session {session.id} has moved on from version {session.version}.")
        head, added = stream[-1].hash if stream else "", []
        for event, provenance in events:
            added.append(_recorded(session, event, provenance, head))
            head, session = added[-1].hash, apply(session, event)
        if key_use:
            self._use_key(key_use)
        if state:
            self._states[state.state.digest] = state
        if added:
            self._streams.setdefault(session.id, []).extend(added)
            self._sessions[session.id] = session
            self._wake()
        return session

    async def erase(self, session: Session, erased: SessionErased, provenance: Provenance) -> Erasure:
        """Forget all but who did what and when."""
        session = await self.append(session, (erased,), provenance)
        found = await self.verify(session.id)
        keys = [place for place, use in self._key_uses.items() if use.session_id == session.id]
        for place in keys:
            del self._key_uses[place]
        tokens = await self.states(session.id)
        for held in tokens:
            del self._states[held.state.digest]
        self._erased[session.id] = evolve(found, erased=True), session.owner
        del self._streams[session.id], self._sessions[session.id]
        return Erasure(
            session_id=session.id,
            erased_at=erased.at,
            events=found.events,
            head=found.head,
            idempotency_keys=len(keys),
            state_tokens=len(tokens),
            snapshots=0,
        )

    async def key_use(self, owner: str, key: str) -> KeyUse | None:
        """What the owner's idempotency key stands for."""
        return self._key_uses.get((owner, key))

    async def state(self, digest: str) -> HeldState | None:
        """What the state token with that digest stands for."""
        return self._states.get(digest)

    async def states(self, session_id: str) -> Sequence[HeldState]:
        """What the session's state tokens stand for."""
        self._stream(session_id)
        return tuple(held for held in self._states.values() if held.session_id == session_id)

    async def overdue(
        self, policy: RetentionPolicy, at: datetime, *, limit: int, after: str = ""
    ) -> Sequence[RetainedSession]:
        """The sessions of which something is due at that moment, in the order of their ids."""
        known = map(self._retained, (self._sessions[it] for it in sorted(self._sessions) if it > after))
        return tuple(islice((it for it in known if due(it, policy, at=at)), limit))

    async def forget_states(self, session_id: str, *, expired_by: datetime | None = None) -> int:
        """Delete the session's state tokens, unless it is held."""
        if session_id not in self._sessions or self._sessions[session_id].hold is not None:
            return 0
        gone = [
            held.state.digest
            for held in await self.states(session_id)
            if expired_by is None or held.state.expires_at <= expired_by
        ]
        for digest in gone:
            del self._states[digest]
        return len(gone)

    async def history(self, session_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[RecordedEvent]:
        """The stream as it was recorded."""
        return tuple(islice(self._stream(session_id), max(after, 0), None))[:limit]

    async def head(self, session_id: str) -> StreamHead:  # noqa: ARG002 - the port's
        """Refused: there are no stored bytes that anybody could check."""
        raise _cannot_be_exported()

    async def heads(self, wanted: ArchiveQuery) -> Sequence[StreamHead]:  # noqa: ARG002 - the port's
        """Refused, as `head`."""
        raise _cannot_be_exported()

    async def events(self, stream: StreamHead, *, after: int, limit: int) -> Sequence[EventRecord]:  # noqa: ARG002 - the port's
        """Refused, as `head`."""
        raise _cannot_be_exported()

    async def trail_head(self) -> StreamHead | None:
        """Refused, as `head`."""
        raise _cannot_be_exported()

    async def changed(self, session_id: str, version: int, timeout_s: float) -> bool:
        """Wait for events after `version`."""
        try:
            async with asyncio.timeout(timeout_s):
                while len(self._stream(session_id)) <= version:
                    await self._appended.wait()
        except NotFound:  # gone
            return True
        except TimeoutError:
            return False
        return True

    async def verify(self, session_id: str) -> Verification:
        """Compute the chain anew; of an erased session, what it was at the end."""
        if session_id in self._erased:
            return self._erased[session_id][0]
        stream, head = self._stream(session_id), ""
        for version, it in enumerate(stream, 1):
            if it != _link(it, head) or it.version != version:
                return Verification(valid=False, events=len(stream), head=stream[-1].hash, broken_at=version)
            head = it.hash
        return Verification(valid=True, events=len(stream), head=head)

    async def find(self, query: SessionQuery) -> SessionPage:
        """The sessions that match, last active first, those of the same moment by their ids."""
        found = sorted(
            (it for it in map(_summary, self._sessions.values()) if _matches(it, query)), key=_place, reverse=True
        )
        return SessionPage(sessions=tuple(found[: query.limit]), has_more=len(found) > query.limit)

    async def active(self) -> Sequence[str]:
        """The ids of the sessions whose last turn has not ended, and never will: it began before `restart`."""
        return tuple(session_id for session_id, turn in self._running() if (session_id, turn) in self._left_behind)

    def restart(self) -> None:
        """Let it be as if the process had ended and begun anew with the same sessions."""
        self._left_behind = set(self._running())

    async def close(self) -> None:
        """Nothing is held open."""

    def _retained(self, session: Session) -> RetainedSession:
        return RetainedSession(
            id=session.id,
            owner=session.owner,
            closed_at=session.closed_at,
            held=session.hold is not None,
            first_expiry=min(
                (it.state.expires_at for it in self._states.values() if it.session_id == session.id), default=None
            ),
        )

    def _running(self) -> Iterator[tuple[str, int]]:
        return ((it.id, it.active_turn.number) for it in self._sessions.values() if it.active_turn)

    def _wake(self) -> None:
        self._appended.set()
        self._appended = asyncio.Event()

    def _use_key(self, use: KeyUse) -> None:
        before = self._key_uses.get((use.owner, use.key.key))
        if before and (before.session_id, before.turn) != (use.session_id, use.instead_of):
            raise IdempotencyInProgress(retry_after_s=1)
        self._key_uses[use.owner, use.key.key] = evolve(use, instead_of=None)

    def _expect_not_erased(self, session_id: str) -> None:
        if session_id in self._erased:
            raise errors.SessionErased(
                detail=f"Session {session_id} was erased: its content is gone.", owner=self._erased[session_id][1]
            )

    def _stream(self, session_id: str) -> list[RecordedEvent]:
        self._expect_not_erased(session_id)
        if session_id not in self._streams:
            raise NotFound.of("session", session_id)
        return self._streams[session_id]


def _cannot_be_exported() -> NotFound:
    return NotFound(detail="Sessions that are kept in memory cannot be exported: use a store that lasts.")


def _recorded(session: Session, event: SessionEvent, provenance: Provenance, previous_hash: str) -> RecordedEvent:
    unlinked = RecordedEvent(
        id=event_id(session.id, session.version + 1),
        session_id=session.id,
        version=session.version + 1,
        event=event,
        provenance=provenance,
        recorded_at=now(),
        previous_hash="",
        hash="",
    )
    return _link(unlinked, previous_hash)


def _link(recorded: RecordedEvent, previous_hash: str) -> RecordedEvent:
    unhashed = evolve(recorded, previous_hash=previous_hash, hash="")
    return evolve(unhashed, hash=sha256(repr(unhashed).encode()).hexdigest())


def _summary(session: Session) -> SessionSummary:
    assert session.created_at and session.last_activity_at  # noqa: S101 - every stream begins with SessionOpened
    return SessionSummary(
        id=session.id,
        owner=session.owner,
        title=session.title,
        status=session.status,
        version=session.version,
        turns=len(session.turns),
        modalities=session.modalities,
        metadata=dict(session.metadata),
        created_at=session.created_at,
        last_activity_at=session.last_activity_at,
        hold=session.hold,
    )


def _matches(it: SessionSummary, query: SessionQuery) -> bool:
    return (
        it.owner == query.owner
        and query.status in (None, it.status)
        and (query.modality is None or query.modality in it.modalities)
        and query.metadata.items() <= it.metadata.items()
        and (query.active_after is None or it.last_activity_at > query.active_after)
        and (query.after is None or _place(it) < (query.after.last_activity_at, query.after.id))
    )


def _place(it: SessionSummary) -> tuple[datetime, str]:
    return it.last_activity_at, it.id
