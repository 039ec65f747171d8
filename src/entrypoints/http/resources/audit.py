"""`/v1/sessions/{id}/export`, `/replay` and `/v1/audit/…`: what an auditor takes away, and checks it with."""

from base64 import b64encode
from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

from attrs import frozen
from falcon.asgi import Response

from ....application.audit import ArchiveQuery, Exports
from ....application.audit_trail import RecordedRead
from ....application.reads import Reads
from ....domain.access import Principal
from ....domain.audit import ReadKind
from ....domain.errors import InvalidRequest
from ....domain.parameters import Field
from ....domain.session import Session, SessionStatus
from ..body import Nothing, principal_of, read_query, read_time
from ..exchange import Request
from ..paging import page_object
from ..session_objects import session_object, turn_objects
from .session_events import NDJSON
from .session_schema import MOST


@frozen(kw_only=True)
class Export:
    """How to export."""

    format: Annotated[Literal["jsonl", "cloudevents"], Field("`jsonl` can be verified.")] = "jsonl"


@frozen(kw_only=True)
class ExportOfMany(Export):
    """Which sessions to export, and how: those that are named, or all that match."""

    session: Annotated[tuple[str, ...], Field("The id of one; several times for several.", max_length=100)] = ()
    status: SessionStatus | None = None
    active_after: Annotated[str | None, Field("Only those active after that time, RFC 3339.")] = None
    closed_before: Annotated[str | None, Field("Only those closed before that time, RFC 3339.")] = None

    def query(self) -> ArchiveQuery:
        """What is asked of the use case where no session is named.

        Raises:
            InvalidRequest: a time is none, or there are both names and filters.
        """
        wanted = ArchiveQuery(
            status=self.status,
            active_after=read_time("/query/active_after", self.active_after),
            closed_before=read_time("/query/closed_before", self.closed_before),
        )
        if self.session and wanted != ArchiveQuery():
            raise InvalidRequest.at("/query/session", "names sessions: there is nothing left to filter")
        return wanted


@frozen(kw_only=True)
class Replay:
    """Which state to show."""

    to: Annotated[int | None, Field("The state after that many events.", 1, MOST)] = None


@frozen(kw_only=True)
class ReadList:
    """Which reads to list."""

    after: Annotated[int, Field("Only those that follow this number.", 0, MOST)] = 0
    limit: Annotated[int, Field("How many at most.", 1, 1_000)] = 100


@frozen
class Audit:
    """The resource."""

    exports: Exports
    reads: Reads

    async def on_get_export(self, req: Request, resp: Response, session_id: str) -> None:
        """All of a session's events, one a line."""
        wanted = read_query(req, Export)
        _stream(req, resp, await self.exports.export(session_id, *_reader(req), wanted.format))

    async def on_get_exports(self, req: Request, resp: Response) -> None:
        """All events of many sessions, one a line."""
        wanted = read_query(req, ExportOfMany, lists=("session",))
        query = wanted.query()
        if wanted.session:
            _stream(req, resp, await self.exports.export_several(wanted.session, *_reader(req), wanted.format))
        else:
            _stream(req, resp, await self.exports.export_all(query, *_reader(req), wanted.format))

    async def on_get_replay(self, req: Request, resp: Response, session_id: str) -> None:
        """A session as it was, with its turns."""
        version = read_query(req, Replay, numbers=("to",)).to
        session = await self.reads.get(session_id, *_reader(req), ReadKind.REPLAY, at_version=version)
        resp.media = replay_object(session)

    async def on_get_reads(self, req: Request, resp: Response) -> None:
        """Who read what for an audit, the first read first."""
        wanted = read_query(req, ReadList, numbers=("after", "limit"))
        found = await self.reads.trail(*_reader(req), after=wanted.after, limit=wanted.limit + 1)
        resp.media = page_object(found, wanted.limit, read_object, lambda it: it.number)

    async def on_get_key(self, req: Request, resp: Response) -> None:
        """What the signatures of exports are checked with."""
        read_query(req, Nothing)
        key = await self.exports.public_key()
        public = b64encode(key.raw).decode()
        resp.media = {"object": "audit.key", "id": key.id, "algorithm": "Ed25519", "public_key": public}


def _reader(req: Request) -> tuple[Principal, str]:
    return principal_of(req), req.exchange.request_id


def _stream(req: Request, resp: Response, export: AsyncGenerator[bytes, None]) -> None:
    """Answer with an export; one that fails on the way is cut off, and so is not taken for a whole one."""
    req.exchange.own(export)
    resp.content_type = NDJSON
    if not req.exchange.headers_only:
        resp.stream = export


def read_object(recorded: RecordedRead) -> dict[str, Any]:
    """A read as it was recorded."""
    return {
        "object": "audit.read",
        "number": recorded.number,
        "what": recorded.read.what,
        "session_id": recorded.read.session_id,
        "asked": recorded.read.asked,
        "at": recorded.read.at,
        "actor": recorded.provenance.actor,
        "method": recorded.provenance.method,
        "request_id": recorded.provenance.request_id,
        "recorded_at": recorded.recorded_at,
        "previous_hash": recorded.previous_hash,
        "hash": recorded.hash,
    }


def replay_object(session: Session) -> dict[str, Any]:
    """A session with its turns in it."""
    return session_object(session) | {"turns": turn_objects(session)}
