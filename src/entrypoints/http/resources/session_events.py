"""`/v1/sessions/{id}/events` and `/verify`: what happened, as it was recorded, and whether the record is whole."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from attrs import fields, frozen
from falcon.asgi import Response

from ....application.ports import RecordedEvent
from ....application.reads import Reads
from ....domain import session as rules
from ....domain.errors import InvalidRequest
from ....domain.generation import Message
from ....domain.parameters import Field
from ..body import Nothing, principal_of, read_query
from ..exchange import Request
from ..followed import event_of, follow, last_event_id
from ..paging import page_object
from ..rendering import message_object, part_object
from ..session_objects import turn_object
from .session_schema import MOST

NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream"

_TYPES = {
    rules.SessionOpened: "session.opened",
    rules.SessionChanged: "session.changed",
    rules.ContextCut: "context.cut",
    rules.StateFellBack: "state.fell_back",
    rules.TurnRequested: "turn.requested",
    rules.TurnCompleted: "turn.completed",
    rules.TurnFailed: "turn.failed",
    rules.SessionReset: "session.reset",
    rules.SessionClosed: "session.closed",
    rules.SessionArchived: "session.archived",
    rules.SessionErased: "session.erased",
    rules.SessionHeld: "session.held",
    rules.SessionReleased: "session.released",
    rules.SessionForked: "session.forked",
    rules.SessionContinued: "session.continued",
}
_encoder = msgspec.json.Encoder()


@frozen(kw_only=True)
class EventList:
    """Which events to list."""

    after: Annotated[int, Field("Only those that follow this version.", 0, MOST)] = 0
    limit: Annotated[int | None, Field("How many at most; 100, or all of them as NDJSON, if not given.", 1, 1_000)] = (
        None
    )


@frozen
class SessionEvents:
    """The resource."""

    reads: Reads

    async def on_get(self, req: Request, resp: Response, session_id: str) -> None:
        """The events, the first one first, as JSON or one a line."""
        wanted = read_query(req, EventList, numbers=("after", "limit"))
        came_last = last_event_id(req)
        if EVENT_STREAM in (req.get_header("Accept") or ""):
            await self._follow(req, resp, session_id, wanted, came_last)
            return
        reader = principal_of(req), req.exchange.request_id
        if NDJSON in (req.get_header("Accept") or ""):
            events = await self.reads.history(session_id, *reader, after=wanted.after, limit=wanted.limit)
            resp.content_type = NDJSON
            resp.data = _encoder.encode_lines([event_object(it) for it in events])
            return
        limit = wanted.limit or 100
        events = await self.reads.history(session_id, *reader, after=wanted.after, limit=limit + 1)
        resp.media = page_object(events, limit, event_object, lambda it: it.version)

    async def _follow(
        self, req: Request, resp: Response, session_id: str, wanted: EventList, came_last: int | None
    ) -> None:
        if wanted.limit is not None:
            raise InvalidRequest.at("/query/limit", "cannot be had as a stream, which has no end")
        batches = await self.reads.follow(
            session_id,
            principal_of(req),
            req.exchange.request_id,
            after=wanted.after if came_last is None else came_last,
            idle_s=req.exchange.options.ping_interval_s,
        )
        await follow(resp, req.exchange, batches, _live_events, req.path)

    async def on_get_verify(self, req: Request, resp: Response, session_id: str) -> None:
        """Compute the hash chain anew."""
        read_query(req, Nothing)
        resp.media = msgspec.to_builtins(
            await self.reads.verify(session_id, principal_of(req), req.exchange.request_id)
        )


def _live_events(events: Sequence[RecordedEvent]) -> bytes:
    """Each event, numbered by its version."""
    return b"".join(event_of(it.version, _TYPES[type(it.event)], event_object(it)) for it in events)


def event_object(recorded: RecordedEvent) -> dict[str, Any]:
    """An event as it was recorded."""
    return {
        "id": recorded.id,
        "object": "session.event",
        "session_id": recorded.session_id,
        "version": recorded.version,
        "type": _TYPES[type(recorded.event)],
        "data": _data(recorded.event),
        "actor": recorded.provenance.actor,
        "method": recorded.provenance.method,
        "request_id": recorded.provenance.request_id,
        "causation_id": recorded.provenance.causation_id,
        "recorded_at": recorded.recorded_at,
        "previous_hash": recorded.previous_hash,
        "hash": recorded.hash,
    }


def _data(event: rules.SessionEvent) -> dict[str, Any]:
    return {it.name: _value(getattr(event, it.name)) for it in fields(type(event))}


def _value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    if isinstance(value, Message):
        return message_object(value)
    if isinstance(value, rules.Turn):
        return turn_object(value)
    return part_object(value) if type(value).__name__.endswith("Part") else value
