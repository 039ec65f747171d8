"""`/v1/sessions`: open conversations, look at them, change, fork, reset, close and archive them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from attrs import evolve, field, frozen
from falcon.asgi import Response

from ....application.ports import SessionCursor, SessionPage, SessionQuery, SessionSummary
from ....application.sessions import OpenSession, Sessions
from ....domain.errors import InvalidRequest
from ....domain.model import Modality
from ....domain.parameters import Field
from ....domain.session import Changes, ContextPolicy, ContextStrategy, Session, SessionStatus, Turn
from ..body import (
    expected_version,
    idempotency_key,
    principal_of,
    read_body,
    read_fields,
    read_query,
    refuse_idempotency_key,
)
from ..paging import cursor_text, list_object, read_cursor
from ..rendering import message_object, part_object
from ..scope import Request


@frozen(kw_only=True)
class ContextToKeep:
    """How much of the conversation a turn is told of; what is left out stays in the session."""

    strategy: Annotated[ContextStrategy, Field("Which turns: all, the last ones, or as many as fit.")] = (
        ContextStrategy.FULL
    )
    limit: Annotated[
        int | None, Field("How many turns for `last_turns`, how many tokens for `token_budget`.", 1, 10_000_000)
    ] = None

    def policy(self) -> ContextPolicy:
        """As the domain has it.

        Raises:
            InvalidRequest: the limit is missing, or there is nothing that it could limit.
        """
        if (self.strategy is ContextStrategy.FULL) is not (self.limit is None):
            what = "must be given with" if self.limit is None else "must not be given with"
            raise InvalidRequest.at("/context/limit", f"{what} the strategy {self.strategy}")
        return ContextPolicy(self.strategy, self.limit)


@frozen(kw_only=True)
class SessionToOpen:
    """A session to open."""

    title: Annotated[str | None, Field("What people call it.", max_length=256)] = None
    instructions: Annotated[str | None, Field("The system message of its every turn.", max_length=65_536)] = None
    defaults: Annotated[Mapping[Modality, str], Field("For each modality, the model of turns that name none.")] = field(
        factory=dict
    )
    metadata: Annotated[Mapping[str, str], Field("Given back.", max_length=16)] = field(factory=dict)
    context: ContextToKeep | None = None
    continued_from: Annotated[
        str | None,
        Field("The session that this one goes on from: its settings are taken where none are given.", max_length=128),
    ] = None

    def command(self) -> OpenSession:
        """What is asked of the use case."""
        return OpenSession(
            title=self.title,
            instructions=self.instructions,
            defaults=self.defaults,
            metadata=self.metadata,
            context=self.context.policy() if self.context else None,
            continued_from=self.continued_from,
        )


@frozen(kw_only=True)
class SessionChanges:
    """What to change of a session; what is not named stays, `null` takes the title away."""

    title: Annotated[str | None, Field("What people call it.", max_length=256)] = None
    defaults: Annotated[
        Mapping[Modality, str] | None, Field("For each modality, the model of turns that name none.")
    ] = None
    metadata: Annotated[Mapping[str, str] | None, Field("Given back.", max_length=16)] = None
    context: ContextToKeep | None = None

    def changes(self) -> Changes:
        """What is asked of the use case."""
        context = self.context.policy() if self.context else None
        return Changes(title=self.title, defaults=self.defaults, metadata=self.metadata, context=context)


@frozen(kw_only=True)
class ForkFrom:
    """Where to fork."""

    at_version: Annotated[int | None, Field("The state after that many events; absent: as it is now.", 1)] = None


@frozen(kw_only=True)
class SessionList:
    """Which sessions to list."""

    status: SessionStatus | None = None
    modality: Modality | None = None
    active_after: Annotated[str | None, Field("Only those active after that time, RFC 3339.")] = None
    limit: Annotated[int, Field("How many at most.", 1, 100)] = 20
    after: Annotated[str | None, Field("`next_after` of the page before.", max_length=512)] = None


@frozen(kw_only=True)
class AtVersion:
    """Which state of a session is meant."""

    version: Annotated[int | None, Field("The state after that many events.", 1)] = None


@frozen(kw_only=True)
class Nothing:
    """A body without fields."""


@frozen
class SessionResource:
    """The resource."""

    sessions: Sessions

    async def on_post(self, req: Request, resp: Response) -> None:
        """Open a session."""
        command = evolve(read_body(req, SessionToOpen).command(), idempotency=idempotency_key(req))
        _show_new(resp, await self.sessions.open(command, principal_of(req), req.exchange.request_id))

    async def on_get(self, req: Request, resp: Response) -> None:
        """List sessions, last active first."""
        wanted = read_query(req, SessionList, numbers=("limit",))
        query = SessionQuery(
            owner=principal_of(req).id,
            status=wanted.status,
            modality=wanted.modality,
            active_after=_time(wanted.active_after),
            limit=wanted.limit,
            after=read_cursor(wanted.after) if wanted.after else None,
        )
        resp.media = _page(await self.sessions.find(query))

    async def on_get_one(self, req: Request, resp: Response, session_id: str) -> None:
        """A session as it is, or as it was."""
        version = read_query(req, AtVersion, numbers=("version",)).version
        _show(resp, await self.sessions.get(session_id, principal_of(req), at_version=version))

    async def on_get_turns(self, req: Request, resp: Response, session_id: str) -> None:
        """Its turns, the first one first."""
        version = read_query(req, AtVersion, numbers=("version",)).version
        session = await self.sessions.get(session_id, principal_of(req), at_version=version)
        resp.media = list_object([turn_object(turn) for turn in session.turns])
        resp.etag = str(session.version)

    async def on_patch_one(self, req: Request, resp: Response, session_id: str) -> None:
        """Change what it is called and how it goes on."""
        refuse_idempotency_key(req)
        changes, version = read_body(req, SessionChanges).changes(), expected_version(req)
        if changes.title is None and "title" in read_fields(req):
            changes = evolve(changes, title="")
        request_id = req.exchange.request_id
        _show(resp, await self.sessions.change(session_id, changes, principal_of(req), request_id, version))

    async def on_delete_one(self, req: Request, resp: Response, session_id: str) -> None:
        """Erase it; the answer is the receipt."""
        refuse_idempotency_key(req)
        version = expected_version(req)
        erasure = await self.sessions.erase(session_id, principal_of(req), req.exchange.request_id, version)
        resp.status_code = 202
        resp.media = {"object": "session.erasure", **msgspec.to_builtins(erasure)}

    async def on_post_fork(self, req: Request, resp: Response, session_id: str) -> None:
        """Open a copy of it, as it is or as it was."""
        refuse_idempotency_key(req)
        at_version, version = read_body(req, ForkFrom).at_version, expected_version(req)
        request_id = req.exchange.request_id
        _show_new(resp, await self.sessions.fork(session_id, principal_of(req), request_id, version, at_version))

    async def on_post_reset(self, req: Request, resp: Response, session_id: str) -> None:
        """Start a new context."""
        refuse_idempotency_key(req)
        read_body(req, Nothing)
        version = expected_version(req)
        _show(resp, await self.sessions.reset(session_id, principal_of(req), req.exchange.request_id, version))

    async def on_post_close(self, req: Request, resp: Response, session_id: str) -> None:
        """Take no more turns."""
        refuse_idempotency_key(req)
        read_body(req, Nothing)
        version = expected_version(req)
        _show(resp, await self.sessions.close(session_id, principal_of(req), req.exchange.request_id, version))

    async def on_post_archive(self, req: Request, resp: Response, session_id: str) -> None:
        """Take no more turns, and put it away."""
        refuse_idempotency_key(req)
        read_body(req, Nothing)
        version = expected_version(req)
        _show(resp, await self.sessions.archive(session_id, principal_of(req), req.exchange.request_id, version))


def _show_new(resp: Response, session: Session) -> None:
    resp.status_code = 201
    resp.set_header("Location", f"/v1/sessions/{session.id}")
    _show(resp, session)


def _show(resp: Response, session: Session) -> None:
    resp.etag = str(session.version)
    resp.media = session_object(session)


def _page(page: SessionPage) -> dict[str, Any]:
    last = page.sessions[-1] if page.has_more else None
    cursor = cursor_text(SessionCursor(last_activity_at=last.last_activity_at, id=last.id)) if last else None
    return list_object([summary_object(it) for it in page.sessions], next_after=cursor)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidRequest.at("/query/active_after", "must be a time such as 2026-01-31T12:00:00Z")
    return at


def session_object(session: Session) -> dict[str, Any]:
    """A session; its turns are a list of their own."""
    return {
        "id": session.id,
        "object": "session",
        "title": session.title,
        "instructions": session.instructions,
        "status": session.status,
        "version": session.version,
        "turns": len(session.turns),
        "modalities": session.modalities,
        "defaults": session.defaults,
        "metadata": session.metadata,
        "context": msgspec.to_builtins(session.context),
        "forked_from": msgspec.to_builtins(session.forked_from),
        "forks": session.forks,
        "continued_from": session.continued_from,
        "continued_by": session.continued_by,
        "created_at": session.created_at,
        "last_activity_at": session.last_activity_at,
        "closed_at": session.closed_at,
        "archived_at": session.archived_at,
    }


def summary_object(summary: SessionSummary) -> dict[str, Any]:
    """A session in a list."""
    return {
        "id": summary.id,
        "object": "session",
        "title": summary.title,
        "status": summary.status,
        "version": summary.version,
        "turns": summary.turns,
        "modalities": summary.modalities,
        "metadata": summary.metadata,
        "created_at": summary.created_at,
        "last_activity_at": summary.last_activity_at,
    }


def turn_object(turn: Turn) -> dict[str, Any]:
    """A turn and what became of it."""
    return {
        "object": "session.turn",
        "number": turn.number,
        "generation_id": turn.generation_id,
        "modality": turn.modality,
        "status": turn.status,
        "model": turn.model,
        "provider": turn.provider,
        "model_version": turn.model_version,
        "messages": [message_object(message) for message in turn.messages],
        "parameters": turn.parameters,
        "output": [part_object(part) for part in turn.output],
        "finish_reason": turn.finish_reason,
        "usage": msgspec.to_builtins(turn.usage),
        "seed": turn.seed,
        "attempts": msgspec.to_builtins(turn.attempts),
        "error": {"code": turn.error_code, "detail": turn.error_detail} if turn.error_code else None,
        "in_context": turn.in_context,
        "requested_at": turn.requested_at,
        "ended_at": turn.ended_at,
        "metadata": turn.metadata,
    }
