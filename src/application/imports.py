"""Bring the sessions of an export into a store: those of another gateway, or one's own from before."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from enum import StrEnum
from typing import Protocol

from attrs import define, frozen

from ..domain.errors import GatewayError, InvalidRequest, NotFound, SessionErased
from ..domain.session import Session
from .audit import ExportedStream, ExportReader
from .audit_trail import TRAIL
from .ports import RecordedEvent


class Outcome(StrEnum):
    """What became of a session of an export."""

    IMPORTED = "imported"
    THERE = "there"
    """It was here already, with the same events."""
    ERASED = "erased"
    """Its content is not in the export."""
    TRAIL = "trail"
    """It is no session: the store has an audit trail of its own."""
    REFUSED = "refused"


@frozen(kw_only=True)
class ImportedSession:
    """A session of an export, and what became of it; `reason` says why it was refused."""

    id: str
    outcome: Outcome
    reason: str = ""


class RestoringStore(Protocol):
    """A store that sessions can be brought into."""

    async def history(self, session_id: str, *, after: int = 0, limit: int | None = None) -> Sequence[RecordedEvent]:
        """As that of `SessionStore`."""
        ...

    async def restore(self, session_id: str, events: Sequence[RecordedEvent]) -> Session:
        """Store the events of a whole stream, all or none, each with the provenance that it was recorded with.

        When they were recorded, and their hashes, are new: they say how it went here.

        Raises:
            VersionConflict: there is such a session.
            SessionErased: there was.
        """
        ...


@define(kw_only=True)
class Imports:
    """Brings sessions into a store."""

    reader: ExportReader
    store: RestoringStore

    async def begin(self, lines: Iterable[bytes], trusted: bytes) -> AsyncGenerator[ImportedSession, None]:
        """Import every session of an export, one after the other, each whole or not at all.

        Args:
            lines: the export; they are gone through twice.
            trusted: the public key that must have signed it.

        Raises:
            InvalidRequest: the export is not whole, or not signed by that key; nothing is imported.
        """
        found = await asyncio.to_thread(self.reader.examine, lines, trusted)
        if found.fault:
            raise InvalidRequest(detail=f"Nothing is imported, as the export is not whole: {found.fault}.")
        return self._each(lines)

    async def _each(self, lines: Iterable[bytes]) -> AsyncGenerator[ImportedSession, None]:
        streams = iter(self.reader.streams(lines))
        while stream := await asyncio.to_thread(next, streams, None):
            yield await self._bring(stream)

    async def _bring(self, stream: ExportedStream) -> ImportedSession:
        if stream.id == TRAIL:
            return ImportedSession(id=stream.id, outcome=Outcome.TRAIL)
        if stream.erased:
            return ImportedSession(id=stream.id, outcome=Outcome.ERASED)
        try:
            return await self._restored(stream.id, [self.reader.read(it) for it in stream.events])
        except GatewayError as error:
            return ImportedSession(id=stream.id, outcome=Outcome.REFUSED, reason=str(error))

    async def _restored(self, session_id: str, events: Sequence[RecordedEvent]) -> ImportedSession:
        try:
            there = await self.store.history(session_id)
        except SessionErased:
            return ImportedSession(
                id=session_id, outcome=Outcome.REFUSED, reason="It was erased here, and is not brought back."
            )
        except NotFound:
            await self.store.restore(session_id, events)
            return ImportedSession(id=session_id, outcome=Outcome.IMPORTED)
        if _facts(there) == _facts(events):
            return ImportedSession(id=session_id, outcome=Outcome.THERE)
        reason = f"It is here with other events: {len(there)}, while the export has {len(events)}."
        return ImportedSession(id=session_id, outcome=Outcome.REFUSED, reason=reason)


def _facts(events: Sequence[RecordedEvent]) -> list[object]:
    """What happened and who caused it; all the rest says how it was recorded, and differs from store to store."""
    return [(it.event, it.provenance) for it in events]
