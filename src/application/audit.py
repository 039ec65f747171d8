"""Sessions for auditors: exports that can be checked without the gateway, and what a check of one finds."""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import asdict, define, frozen

from ..domain.access import Principal, Scope
from ..domain.audit import ReadKind
from ..domain.errors import InvalidRequest, NotFound
from ..domain.session import Session, SessionStatus, fold
from .audit_trail import TRAIL, ReadRecorder
from .ports import Clock, RecordedEvent

BATCH = 100
"""How many events of a session an export holds in memory at once."""


@frozen(kw_only=True)
class EventRecord:
    """An event as it is stored, and what was said in it.

    `header` and `sealed` are the stored bytes that `hash` (hex sha256) is over, `format` says how they are laid out.
    `values` is canonical JSON; `salt` and `values` are what the header's commitment is over. Both are None once the
    session is erased; events of format 1 have values, but no salt.
    """

    session_id: str
    version: int
    topic: str
    format: int
    header: bytes
    sealed: bytes
    hash: str
    salt: bytes | None
    values: bytes | None


@frozen(kw_only=True)
class StreamHead:
    """A session's stream as an export names it: how many events it has, and the hash of the last one."""

    id: str
    owner: str
    events: int
    head: str
    erased: bool


@frozen(kw_only=True)
class ArchiveQuery:
    """Which sessions to export, of all owners and the erased ones too; `None` means any."""

    status: SessionStatus | None = None
    active_after: datetime | None = None
    closed_before: datetime | None = None


@frozen(kw_only=True)
class PublicKey:
    """What a gateway's signatures are checked with: `raw` are the 32 bytes of Ed25519, `id` is short for them."""

    id: str
    raw: bytes


class SessionArchive(Protocol):
    """Streams as they are stored."""

    async def head(self, session_id: str) -> StreamHead:
        """A session's stream as it is now, of an erased one too.

        Raises:
            NotFound: there is no such session, or its store keeps no bytes.
        """
        ...

    async def heads(self, wanted: ArchiveQuery) -> Sequence[StreamHead]:
        """The streams of all sessions that match, by their ids; raises NotFound if the store keeps no bytes."""
        ...

    async def trail_head(self) -> StreamHead | None:
        """The audit trail's stream as it is now; None if there is none yet."""
        ...

    async def events(self, stream: StreamHead, *, after: int, limit: int) -> Sequence[EventRecord]:
        """So many events after a version, none past the head; those of an erased session without content.

        Raises:
            SessionErased: it was erased since its head was taken.
            GatewayError: what is stored is not what was recorded.
        """
        ...


class Signer(Protocol):
    """The gateway's signing key. Blocking: it may be made at its first use."""

    def public_key(self) -> PublicKey:
        """The public half."""
        ...

    def sign(self, message: bytes) -> bytes:
        """An Ed25519 signature."""
        ...


class ExportWriter(Protocol):
    """Writes one export, piece by piece. Blocking."""

    def opening(self, streams: Sequence[StreamHead]) -> bytes:
        """What comes first. The events of these streams follow, one stream after another."""
        ...

    def events(self, events: Sequence[EventRecord]) -> bytes:
        """The next events."""
        ...

    def ending(self) -> bytes:
        """What comes last."""
        ...


class Exporter(Protocol):
    """Begins an export in one format."""

    def __call__(self, *, signer: Signer, exported_at: datetime) -> ExportWriter:
        """What writes it."""
        ...


class EventReader(Protocol):
    """Reads a stored event of a session."""

    def __call__(self, record: EventRecord) -> RecordedEvent:
        """The event; raises GatewayError for one that this version of the gateway does not know."""
        ...


@frozen(kw_only=True)
class ExportedStream:
    """A stream that an export has, with all its events."""

    id: str
    erased: bool
    events: tuple[EventRecord, ...]


@frozen(kw_only=True)
class Fault:
    """The first thing wrong with an export: `line` counts from 1."""

    line: int
    what: str
    session_id: str | None = None
    version: int | None = None

    def __str__(self) -> str:
        """Where it is, and what; without a full stop."""
        event = "" if self.session_id is None else f" (session {self.session_id}, version {self.version})"
        return f"line {self.line}{event} {self.what}"


@frozen(kw_only=True)
class Examination:
    """What a check of an export found. Without a `fault`, the export is whole.

    `erased` events show no content any more; `uncommitted` ones have content that the chain says nothing of (they were
    stored by the first versions of the gateway), so that only the signature vouches for it.
    """

    sessions: int = 0
    events: int = 0
    erased: int = 0
    uncommitted: int = 0
    key_id: str | None = None
    fault: Fault | None = None


class ExportFile(Protocol):
    """Reads an export on its own."""

    def examine(self, lines: Iterable[bytes], *, trusted: bytes | None = None) -> Examination:
        """Check every line. `trusted` is the public key that must have signed; else the one that the export names."""
        ...

    def streams(self, lines: Iterable[bytes]) -> Iterator[ExportedStream]:
        """The streams of an export that was found whole, one after the other."""
        ...


@define(kw_only=True)
class Exports:
    """Gives auditors what they can check by themselves."""

    archive: SessionArchive
    recorder: ReadRecorder
    signer: Signer
    formats: Mapping[str, Exporter]
    clock: Clock

    async def export(
        self, session_id: str, principal: Principal, request_id: str, format_name: str
    ) -> AsyncGenerator[bytes, None]:
        """A session in the format of that name.

        Raises:
            InvalidRequest: there is no such format.
            NotFound: no such session, or it is somebody else's and they are no auditor.
        """
        write = self._format(format_name)
        stream = await self.archive.head(session_id)
        if not principal.may_read(stream.owner):
            raise NotFound.of("session", session_id)
        asked = {"format": format_name}
        await self.recorder.record(ReadKind.EXPORT, principal, request_id, session_id=session_id, asked=asked)
        return await self._begun((stream,), write)

    async def export_several(
        self, session_ids: Sequence[str], principal: Principal, request_id: str, format_name: str
    ) -> AsyncGenerator[bytes, None]:
        """Sessions of any owners, each as it is now.

        Raises:
            InvalidRequest: there is no such format.
            InsufficientScope: they are no auditor.
            NotFound: one of them is not there.
        """
        principal.require(Scope.AUDIT)
        write = self._format(format_name)
        streams = [await self.archive.head(it) for it in dict.fromkeys(session_ids)]
        asked = {"session": ",".join(it.id for it in streams), "format": format_name}
        await self.recorder.record(ReadKind.EXPORT, principal, request_id, asked=asked)
        return await self._begun(streams, write)

    async def export_all(
        self, wanted: ArchiveQuery, principal: Principal, request_id: str, format_name: str
    ) -> AsyncGenerator[bytes, None]:
        """All sessions that match, each as it is now: what is appended later is not in it.

        Last comes the audit trail, if nothing is filtered; this export is the last read in it.

        Raises:
            InvalidRequest: there is no such format.
            InsufficientScope: they are no auditor.
        """
        principal.require(Scope.AUDIT)
        write = self._format(format_name)
        streams = list(await self.archive.heads(wanted))
        asked = asdict(wanted) | {"format": format_name}
        await self.recorder.record(ReadKind.EXPORT, principal, request_id, asked=asked)
        if wanted == ArchiveQuery() and (trail := await self.archive.trail_head()):
            streams.append(trail)
        return await self._begun(streams, write)

    async def public_key(self) -> PublicKey:
        """What signatures are checked with."""
        return await asyncio.to_thread(self.signer.public_key)

    def _format(self, name: str) -> Exporter:
        if name not in self.formats:
            raise InvalidRequest.at("/query/format", "is not a format of exports", tuple(self.formats))
        return self.formats[name]

    async def _begun(self, streams: Sequence[StreamHead], export: Exporter) -> AsyncGenerator[bytes, None]:
        writer = export(signer=self.signer, exported_at=self.clock())
        return self._written(await asyncio.to_thread(writer.opening, streams), streams, writer)

    async def _written(
        self, opening: bytes, streams: Sequence[StreamHead], writer: ExportWriter
    ) -> AsyncGenerator[bytes, None]:
        """All of an export; whoever takes it decides when the next events are read."""
        yield opening
        for stream in streams:
            for after in range(0, stream.events, BATCH):
                events = await self.archive.events(stream, after=after, limit=BATCH)
                yield await asyncio.to_thread(writer.events, events)
        yield await asyncio.to_thread(writer.ending)


@frozen(kw_only=True)
class ExportReader:
    """What an auditor does with an export, where there is no gateway."""

    file: ExportFile
    read: EventReader

    def examine(self, lines: Iterable[bytes], trusted: bytes | None = None) -> Examination:
        """Check it."""
        return self.file.examine(lines, trusted=trusted)

    def streams(self, lines: Iterable[bytes]) -> Iterator[ExportedStream]:
        """What it has, if it was found whole."""
        return self.file.streams(lines)

    def replay(self, lines: Sequence[bytes], session_id: str, *, to: int | None = None) -> Session:
        """The state of a session as it was after `to` events, or after all of them.

        Raises:
            InvalidRequest: the export is not whole.
            NotFound: it does not have that session or version, or the session was erased.
        """
        if session_id == TRAIL:
            raise NotFound(detail="The audit trail is no session, and nothing to be replayed: read its lines.")
        if self.examine(lines).fault:
            raise InvalidRequest(detail="The export is not whole, so nothing is replayed from it: verify it first.")
        stream = next((it for it in self.streams(lines) if it.id == session_id), None)
        if stream is None or (to is not None and not 1 <= to <= len(stream.events)):
            raise NotFound(detail=f"The export has no session {session_id!r}, or not that version of it.")
        if stream.erased:
            raise NotFound(detail=f"Session {session_id} was erased: its events are there, what was said is not.")
        return fold(session_id, (self.read(it).event for it in stream.events[:to]))
