"""`/v1/sessions`: open conversations, look at them, change, fork, reset, hold, close, archive and erase them."""

from typing import Any

from attrs import evolve, frozen
from falcon.asgi import Response

from ....application.ports import SessionCursor, SessionPage, SessionQuery
from ....application.reads import Reads
from ....application.sessions import Sessions
from ....domain.audit import ReadKind
from ....domain.session import Session
from ..body import (
    Nothing,
    idempotency_key,
    principal_of,
    read_body,
    read_fields,
    read_query,
    read_time,
    refuse_idempotency_key,
)
from ..entity_tags import expected_version
from ..exchange import Request
from ..paging import cursor_text, list_object, read_cursor
from ..session_objects import erasure_object, session_object, state_token_object, summary_object, turn_objects
from .session_schema import AtVersion, ForkFrom, HoldFor, SessionChanges, SessionList, SessionToOpen, TokenList


@frozen
class SessionResource:
    """The resource."""

    sessions: Sessions
    reads: Reads

    async def on_post(self, req: Request, resp: Response) -> None:
        """Open a session."""
        command = evolve(read_body(req, SessionToOpen).command(), idempotency=idempotency_key(req))
        _show_new(resp, await self.sessions.open(command, principal_of(req), req.exchange.request_id))

    async def on_get(self, req: Request, resp: Response) -> None:
        """List sessions, last active first."""
        wanted = read_query(req, SessionList, numbers=("limit",), maps=("metadata",))
        query = SessionQuery(
            owner=principal_of(req).id,
            status=wanted.status,
            modality=wanted.modality,
            active_after=read_time("/query/active_after", wanted.active_after),
            metadata=wanted.metadata,
            limit=wanted.limit,
            after=read_cursor(wanted.after) if wanted.after else None,
        )
        resp.media = _page(await self.sessions.find(query))

    async def on_get_one(self, req: Request, resp: Response, session_id: str) -> None:
        """A session as it is, or as it was."""
        version = read_query(req, AtVersion, numbers=("version",)).version
        principal, request_id = principal_of(req), req.exchange.request_id
        _show(resp, await self.reads.get(session_id, principal, request_id, at_version=version))

    async def on_get_turns(self, req: Request, resp: Response, session_id: str) -> None:
        """Its turns, the first one first."""
        version = read_query(req, AtVersion, numbers=("version",)).version
        principal, request_id = principal_of(req), req.exchange.request_id
        session = await self.reads.get(session_id, principal, request_id, ReadKind.TURNS, at_version=version)
        resp.media = list_object(turn_objects(session))
        resp.etag = str(session.version)

    async def on_get_state_tokens(self, req: Request, resp: Response, session_id: str) -> None:
        """What its state tokens stand for; the tokens too, if they are asked for by who may see them."""
        revealed = read_query(req, TokenList).reveal == "true"
        request_id = req.exchange.request_id
        held = await self.reads.state_tokens(session_id, principal_of(req), request_id, revealed=revealed)
        resp.media = list_object([state_token_object(it, revealed=revealed) for it in held])

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
        resp.media = erasure_object(erasure)

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

    async def on_post_hold(self, req: Request, resp: Response, session_id: str) -> None:
        """Let nobody erase it."""
        refuse_idempotency_key(req)
        reason, version = read_body(req, HoldFor).given(), expected_version(req)
        request_id = req.exchange.request_id
        _show(resp, await self.sessions.hold(session_id, reason, principal_of(req), request_id, version))

    async def on_post_release(self, req: Request, resp: Response, session_id: str) -> None:
        """Let it be erased again."""
        refuse_idempotency_key(req)
        read_body(req, Nothing)
        version = expected_version(req)
        _show(resp, await self.sessions.release(session_id, principal_of(req), req.exchange.request_id, version))


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
