"""The audit trail as a stream beside those of the sessions: encrypted with a key of its own, chained by hashes.

It is in the same table, so that whatever vouches for the whole log vouches for it too, but in no list. Several
processes append to it: whoever finds its place taken takes the next one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from eventsourcing.persistence import IntegrityError, StoredEvent

from ...application.audit import StreamHead
from ...application.audit_trail import TRAIL, RecordedRead
from ...application.ports import Provenance
from ...domain.audit import AuditRead
from ...domain.errors import GatewayError, StoreUnavailable
from ..system import now
from . import audit_topics
from .keyring import Keyring
from .mapper import ChainedEvent, StreamMapper, hash_of
from .recorder import Entry, SessionRecorder

T = TypeVar("T")

ATTEMPTS = 50
"""How often a place is looked for before it is given up; each time, another process has had one."""


class Run(Protocol):
    """Work on a thread of the store's."""

    def __call__(self, work: Callable[[], T], /) -> Awaitable[T]:
        """What the work returned; the database's errors are those of the domain."""
        ...


class EventAuditTrail:
    """Implements `AuditTrail`."""

    def __init__(self, recorder: SessionRecorder, keyring: Keyring, run: Run) -> None:
        """`recorder` has the events of the sessions too, `keyring` their keys."""
        self._recorder, self._keyring, self._run = recorder, keyring, run
        self._one_at_a_time = asyncio.Lock()

    async def record(self, read: AuditRead, provenance: Provenance) -> None:
        """Store a read after all others."""
        async with self._one_at_a_time:  # or the threads of this process would take each other's places
            await self._run(lambda: self._record(read, provenance))

    async def entries(self, *, after: int = 0, limit: int = 100) -> Sequence[RecordedRead]:
        """So many reads after that number."""
        return await self._run(lambda: self._entries(max(after, 0), limit))

    async def head(self) -> StreamHead | None:
        """The trail as an export names it; None if nothing was recorded yet."""
        last = await self._run(self._last)
        if last is None:
            return None
        return StreamHead(id=TRAIL, owner="", events=last.originator_version, head=hash_of(last), erased=False)

    def _record(self, read: AuditRead, provenance: Provenance) -> None:
        if self._keyring.get(TRAIL) is None:
            self._keyring.create(TRAIL)
        mapper = self._mapper()
        for _ in range(ATTEMPTS):
            stored = mapper.to_stored_event(_chained(read, provenance, self._last()))
            try:
                self._recorder.insert([Entry(events=[stored], row=None)])
            except IntegrityError:
                if not self._is_stored(stored):
                    continue
            return
        raise StoreUnavailable(detail="Too many others record reads at the same time.", retry_after_s=1)

    def _entries(self, after: int, limit: int) -> tuple[RecordedRead, ...]:
        stored_events = self._recorder.select_events(TRAIL, gt=after, limit=limit)
        for number, stored in enumerate(stored_events, after + 1):
            if stored.originator_version != number:
                raise GatewayError(detail=f"Read {number} of the audit trail is missing.")
        if not stored_events:
            return ()
        mapper = self._mapper()
        return tuple(_recorded(mapper.to_domain_event(stored), stored) for stored in stored_events)

    def _mapper(self) -> StreamMapper[AuditRead]:
        key = self._keyring.get(TRAIL)
        if key is None:
            raise GatewayError(detail="The key of the audit trail is gone.")
        return StreamMapper(key, audit_topics)

    def _last(self) -> StoredEvent | None:
        found = self._recorder.select_events(TRAIL, desc=True, limit=1)
        return found[0] if found else None

    def _is_stored(self, stored: StoredEvent) -> bool:
        """Whether the recorder, which sends again what it got no answer for, met what it had stored the first time."""
        number = stored.originator_version
        return list(self._recorder.select_events(TRAIL, gt=number - 1, lte=number)) == [stored]


def _chained(read: AuditRead, provenance: Provenance, last: StoredEvent | None) -> ChainedEvent[AuditRead]:
    number = last.originator_version + 1 if last else 1
    return ChainedEvent(
        originator_id=TRAIL,
        originator_version=number,
        event=read,
        event_id=f"evt_{TRAIL}_{number:07}",
        provenance=provenance,
        recorded_at=now(),
        previous_hash=hash_of(last) if last else "",
    )


def _recorded(chained: ChainedEvent[AuditRead], stored: StoredEvent) -> RecordedRead:
    return RecordedRead(
        number=chained.originator_version,
        read=chained.event,
        provenance=chained.provenance,
        recorded_at=chained.recorded_at,
        previous_hash=chained.previous_hash,
        hash=hash_of(stored),
    )
