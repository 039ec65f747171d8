"""The audit trail: reads, recorded before they are answered."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import define, frozen

from ..domain.access import Principal
from ..domain.audit import OWNERS_READS, AuditRead, ReadKind
from ..domain.errors import GatewayError, StoreUnavailable
from .ports import Clock, Provenance

TRAIL = "audit"
"""The id of the trail among the streams of a whole export; no session has it."""


@frozen(kw_only=True)
class RecordedRead:
    """A read as it was recorded. `number` counts from 1; the hashes are hex sha256 and make a chain, as in sessions."""

    number: int
    read: AuditRead
    provenance: Provenance
    recorded_at: datetime
    previous_hash: str
    hash: str


class AuditTrail(Protocol):
    """Who read what. One stream of its own, apart from those of the sessions: a read changes nothing that is read."""

    async def record(self, read: AuditRead, provenance: Provenance) -> None:
        """Store a read, durably, after all that were stored before, by whichever process.

        Raises:
            GatewayError: it is not stored.
        """

    async def entries(self, *, after: int = 0, limit: int = 100) -> Sequence[RecordedRead]:
        """So many reads after that number, the first one first; empty past the end."""
        ...


@define(kw_only=True)
class ReadRecorder:
    """Sees to it that no read is answered that is not in the trail."""

    trail: AuditTrail
    clock: Clock

    async def record(
        self,
        what: ReadKind,
        principal: Principal,
        request_id: str,
        *,
        session_id: str | None = None,
        owner: str | None = None,
        asked: Mapping[str, object] | None = None,
    ) -> None:
        """Record a read, unless it is one of those that owners make of their own sessions every day.

        Args:
            what: what is read.
            principal: who reads.
            request_id: in which request.
            session_id: of which session; of none in particular, if None.
            owner: whose session that is.
            asked: what they asked for; what is None was not asked.

        Raises:
            StoreUnavailable: it cannot be recorded, and so must not be answered.
        """
        if what in OWNERS_READS and owner == principal.id:
            return
        said = {name: _text(value) for name, value in (asked or {}).items() if value is not None}
        read = AuditRead(what=what, session_id=session_id, asked=said, at=self.clock())
        try:
            await self.trail.record(
                read, Provenance(actor=principal.id, method=principal.method, request_id=request_id)
            )
        except GatewayError as error:
            raise StoreUnavailable(
                detail=f"This read is not answered, since it cannot be recorded in the audit trail: {error}"
            ) from error


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
