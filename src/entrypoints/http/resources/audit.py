"""`/v1/sessions/{id}/export`, `/replay` and `/v1/audit/key`: what an auditor takes away, and checks it with."""

from base64 import b64encode
from typing import Annotated, Any

from attrs import frozen
from falcon.asgi import Response

from ....application.audit import Exports
from ....application.sessions import Sessions
from ....domain.parameters import Field
from ....domain.session import Session
from ..body import Nothing, principal_of, read_query
from ..scope import Request
from ..session_objects import session_object, turn_objects
from .session_events import NDJSON


@frozen(kw_only=True)
class Export:
    """How to export."""

    format: Annotated[str, Field("`jsonl`, which can be verified, or `cloudevents`.")] = "jsonl"


@frozen(kw_only=True)
class Replay:
    """Which state to show."""

    to: Annotated[int | None, Field("The state after that many events.", 1)] = None


@frozen
class Audit:
    """The resource."""

    exports: Exports
    sessions: Sessions

    async def on_get_export(self, req: Request, resp: Response, session_id: str) -> None:
        """All of a session's events, one a line."""
        wanted = read_query(req, Export)
        exported = await self.exports.export(session_id, principal_of(req), wanted.format)
        resp.content_type = NDJSON
        resp.data = exported

    async def on_get_replay(self, req: Request, resp: Response, session_id: str) -> None:
        """A session as it was, with its turns."""
        version = read_query(req, Replay, numbers=("to",)).to
        resp.media = replay_object(await self.sessions.get(session_id, principal_of(req), at_version=version))

    async def on_get_key(self, req: Request, resp: Response) -> None:
        """What the signatures of exports are checked with."""
        read_query(req, Nothing)
        key = await self.exports.public_key()
        public = b64encode(key.raw).decode()
        resp.media = {"object": "audit.key", "id": key.id, "algorithm": "Ed25519", "public_key": public}


def replay_object(session: Session) -> dict[str, Any]:
    """A session with its turns in it."""
    return session_object(session) | {"turns": turn_objects(session)}
