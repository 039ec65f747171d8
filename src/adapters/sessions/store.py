"""Sessions as event streams, by the `eventsourcing` library (9.5): its mapper and its recorder, not its aggregates.

The library is synchronous, so reads run on threads that the store owns, and all appends on one of their own. An append
reads the session's row for the hash to go on from, then writes its events and the new row in one transaction: the
unique (session, version) makes a second writer fail. Each kind of database has a recorder, a table of wrapped keys and
a builder: `sqlite_sessions`, `postgres_sessions`.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from typing import TypeVar

from ...application.audit import ArchiveQuery, EventRecord, StreamHead
from ...application.ports import Erasure, Provenance, RecordedEvent, SessionPage, SessionQuery, Verification
from ...domain.errors import Draining, GatewayError
from ...domain.idempotency import KeyUse
from ...domain.retention import RetainedSession, RetentionPolicy
from ...domain.session import HeldState, Session, SessionErased, SessionEvent
from .arrivals import Arrivals
from .audit_trail import EventAuditTrail
from .keyring import Keyring
from .list_row import microseconds
from .log import LogRecorder, SessionLog
from .reader import SessionReader
from .recorder import SessionRecorder
from .snapshots import EVERY
from .writer import Append, SessionWriter

T = TypeVar("T")

_ALL = 2**63 - 1
"""A time, in microseconds, by which every state token has expired."""


class EventSessionStore:
    """Implements `SessionStore`, `SessionArchive` and `RetentionStore`; `log` is the log of all sessions."""

    def __init__(
        self,
        *,
        recorder: SessionRecorder,
        log: LogRecorder,
        keyring: Keyring,
        translated: Callable[[], AbstractContextManager[None]],
        opened: ExitStack,
        instance: str,
        threads: int,
        snapshot_every: int = EVERY,
    ) -> None:
        """Serve the sessions of a database that is open.

        Args:
            recorder: the events and the list.
            log: the same events, of all sessions.
            keyring: the sessions' keys.
            translated: a context that turns the database's errors into those of the domain.
            opened: what is let go of when the store is closed, once no thread works any more.
            instance: the name of this process among those that use the database.
            threads: how many reads the database may work on at once.
            snapshot_every: after how many events of a session there is a snapshot of it.
        """
        self._recorder, self._keyring, self._translated, self._opened = recorder, keyring, translated, opened
        self._instance = instance
        self._reader = SessionReader(recorder, keyring)
        self._writer = SessionWriter(recorder, keyring, translated, instance, snapshot_every)
        self._opened.callback(self._writer.close)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="sessions")
        self._opened.callback(self._threads.shutdown)
        self._arrivals = Arrivals(self._versions)
        self.trail = EventAuditTrail(recorder, keyring, self._run)
        self.log = SessionLog(log, self._run)

    async def load(self, session_id: str, *, at_version: int | None = None) -> Session:
        """Fold the stream, whole or up to a version."""
        return await self._run(lambda: self._reader.load(session_id, at_version))

    async def owner(self, session_id: str) -> str:
        """Whose the session is, or was before it was erased."""
        return (await self._run(lambda: self._reader.row(session_id))).owner

    async def append(
        self,
        session: Session,
        events: Sequence[SessionEvent],
        provenance: Provenance,
        *,
        key_use: KeyUse | None = None,
        state: HeldState | None = None,
    ) -> Session:
        """Store events; without any, the session is returned as it is."""
        wanted = Append(session=session, events=events, provenance=provenance, key_use=key_use, state=state)
        appended = await asyncio.wrap_future(self._writer.submit(wanted))
        self._arrivals.tell(appended.id, appended.version)
        return appended

    async def restore(self, session_id: str, events: Sequence[RecordedEvent]) -> Session:
        """Store the events of a whole stream, each with the provenance that it was recorded with."""
        wanted = Append(
            session=Session(id=session_id),
            events=[it.event for it in events],
            provenance=[it.provenance for it in events],
        )
        return await asyncio.wrap_future(self._writer.submit(wanted))

    async def erase(self, session: Session, erased: SessionErased, provenance: Provenance) -> Erasure:
        """Store the last event and destroy the session's key."""
        erasure = await self._run(lambda: self._erase(session, erased, provenance))
        self._arrivals.tell(session.id, session.version + 1)
        return erasure

    async def key_use(self, owner: str, key: str) -> KeyUse | None:
        """What the owner's idempotency key stands for."""
        return await self._run(lambda: self._recorder.key_use(owner, key))

    async def state(self, digest: str) -> HeldState | None:
        """What the state token with that digest stands for."""
        return await self._run(lambda: self._reader.state(digest))

    async def states(self, session_id: str) -> Sequence[HeldState]:
        """What the session's state tokens stand for."""
        return await self._run(lambda: self._reader.states(session_id))

    async def history(self, session_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[RecordedEvent]:
        """The stream as it was recorded."""
        return await self._run(lambda: self._reader.history(session_id, after, limit))

    async def head(self, session_id: str) -> StreamHead:
        """The stream as it is now."""
        return await self._run(lambda: self._reader.head(session_id))

    async def heads(self, wanted: ArchiveQuery) -> Sequence[StreamHead]:
        """The streams of all sessions that match, by their ids."""
        return await self._run(lambda: self._reader.heads(wanted))

    async def events(self, stream: StreamHead, *, after: int, limit: int) -> Sequence[EventRecord]:
        """Events as they are stored, for an export; those of an erased session without content."""
        return await self._run(lambda: self._reader.records(stream, after, limit))

    async def trail_head(self) -> StreamHead | None:
        """The audit trail as it is now."""
        return await self.trail.head()

    async def changed(self, session_id: str, version: int, timeout_s: float) -> bool:
        """Wait for events after `version`, of this process or another one."""
        return await self._arrivals.after(session_id, version, timeout_s)

    async def verify(self, session_id: str) -> Verification:
        """Compute the chain anew; works without the session's key."""
        return await self._run(lambda: self._reader.verify(session_id))

    async def find(self, query: SessionQuery) -> SessionPage:
        """The sessions that match, last active first, those of the same moment by their ids."""
        return await self._run(lambda: self._reader.find(query))

    async def active(self) -> Sequence[str]:
        """The ids of the sessions whose last turn has not ended, and never will: its process is gone."""
        return await self._run(lambda: self._reader.left_behind(self._instance))

    async def overdue(
        self, policy: RetentionPolicy, at: datetime, *, limit: int, after: str = ""
    ) -> Sequence[RetainedSession]:
        """The sessions of which something is due at that moment, in the order of their ids."""
        return await self._run(lambda: self._recorder.overdue(policy, at, limit=limit, after=after))

    async def forget_states(self, session_id: str, *, expired_by: datetime | None = None) -> int:
        """Delete the session's state tokens, unless it is held."""
        by = _ALL if expired_by is None else microseconds(expired_by)
        return await self._run(lambda: self._recorder.forget_states(session_id, by))

    async def close(self) -> None:
        """Finish what was begun, then let go of the database."""
        await self._arrivals.close()
        await asyncio.to_thread(self._opened.close)

    async def _versions(self, session_ids: Collection[str]) -> dict[str, int]:
        rows = await self._run(lambda: self._recorder.rows_of(session_ids))
        return {session_id: row.version for session_id, row in rows.items()}

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

    def _erase(self, session: Session, erased: SessionErased, provenance: Provenance) -> Erasure:
        keys, tokens = self._recorder.keys_of(session.id), len(self._recorder.states_of(session.id))
        snapshots = self._recorder.snapshots_of(session.id)
        self._writer.submit(Append(session=session, events=(erased,), provenance=provenance)).result()
        self._keyring.destroy(session.id)
        row, found = self._reader.row(session.id), self._reader.verify(session.id)
        left = (
            row.sealed,
            self._recorder.keys_of(session.id),
            self._recorder.states_of(session.id),
            self._recorder.snapshots_of(session.id),
        )
        if self._keyring.get(session.id) or any(left) or not found.valid:
            raise GatewayError(
                detail=f"Session {session.id} was erased, but something of it is still there: verify it."
            )
        return Erasure(
            session_id=session.id,
            erased_at=erased.at,
            events=found.events,
            head=found.head,
            idempotency_keys=keys,
            state_tokens=tokens,
            snapshots=snapshots,
        )
