"""The audit trail kept in memory: to develop against, and for tests. It ends with the process."""

from collections.abc import Sequence
from hashlib import sha256

from attrs import evolve

from ...application.audit_trail import RecordedRead
from ...application.ports import Provenance
from ...domain.audit import AuditRead
from ..system import now


class MemoryAuditTrail:
    """Implements `AuditTrail`. The bytes that its chain is made over are those of `repr`."""

    def __init__(self) -> None:
        self._entries: list[RecordedRead] = []

    async def record(self, read: AuditRead, provenance: Provenance) -> None:
        """Keep a read."""
        unhashed = RecordedRead(
            number=len(self._entries) + 1,
            read=read,
            provenance=provenance,
            recorded_at=now(),
            previous_hash=self._entries[-1].hash if self._entries else "",
            hash="",
        )
        self._entries.append(evolve(unhashed, hash=sha256(repr(unhashed).encode()).hexdigest()))

    async def entries(self, *, after: int = 0, limit: int = 100) -> Sequence[RecordedRead]:
        """So many reads after that number."""
        return tuple(self._entries[max(after, 0) :][:limit])
