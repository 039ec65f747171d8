"""`/v1/audit/verify` and `/v1/audit/checkpoints`: whether the log of all events is whole, and what was signed of it."""

from typing import Annotated, Any

import msgspec
from attrs import frozen
from falcon.asgi import Response

from ....application.log import Checkpoint
from ....application.log_check import LogExamination
from ....application.log_reads import LogReads
from ....domain.parameters import Field
from ..body import Nothing, principal_of, read_query
from ..exchange import Request
from ..paging import page_object
from .session_schema import MOST


@frozen(kw_only=True)
class CheckpointList:
    """Which checkpoints to list."""

    after: Annotated[
        int | None, Field("Only those that follow the one of so many events, which are smaller.", 1, MOST)
    ] = None
    limit: Annotated[int, Field("How many at most.", 1, 1_000)] = 100


@frozen
class Log:
    """The resource."""

    reads: LogReads

    async def on_get_verify(self, req: Request, resp: Response) -> None:
        """Check every event, every chain and every checkpoint; it takes as long as it takes."""
        read_query(req, Nothing)
        resp.media = examination_object(await self.reads.verify(principal_of(req), req.exchange.request_id))

    async def on_get_checkpoints(self, req: Request, resp: Response) -> None:
        """The checkpoints, the latest first."""
        wanted = read_query(req, CheckpointList, numbers=("after", "limit"))
        request_id, limit = req.exchange.request_id, wanted.limit + 1
        found = await self.reads.page(principal_of(req), request_id, before=wanted.after, limit=limit)
        resp.media = page_object(found, wanted.limit, checkpoint_object, lambda it: it.size)


def checkpoint_object(checkpoint: Checkpoint) -> dict[str, Any]:
    """A checkpoint as the API shows it: what counts is in the note."""
    return {
        "object": "audit.checkpoint",
        "events": checkpoint.size,
        "note": checkpoint.note,
        "made_at": checkpoint.made_at,
    }


def examination_object(found: LogExamination) -> dict[str, Any]:
    """What a check of the log found."""
    facts: dict[str, Any] = msgspec.to_builtins(found)
    return {"object": "audit.verification", "valid": found.fault is None, **facts}
