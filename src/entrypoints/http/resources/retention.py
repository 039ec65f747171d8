"""`/v1/retention`: let go of what was kept long enough, or see what that would be."""

from typing import Annotated, Any

import msgspec
from attrs import frozen
from falcon.asgi import Response

from ....application.retention import LetGo, Retention, RetentionReport
from ....domain.parameters import Field
from ..body import read_body, refuse_idempotency_key
from ..exchange import Request
from ..session_objects import erasure_object


@frozen(kw_only=True)
class RetentionRun:
    """A run; whether it shall only be shown has to be said, since nothing brings back what is erased."""

    dry_run: Annotated[bool, Field("Say what is due, and do nothing.")]
    limit: Annotated[int, Field("How many sessions at most.", 1, 10_000)] = 1_000


@frozen
class RetentionResource:
    """The resource."""

    retention: Retention

    async def on_post(self, req: Request, resp: Response) -> None:
        """Run; the answer says what was due, and what became of it."""
        refuse_idempotency_key(req)
        wanted = read_body(req, RetentionRun)
        report = await self.retention.run(req.exchange.request_id, dry_run=wanted.dry_run, limit=wanted.limit)
        resp.media = _report_object(report)


def _report_object(report: RetentionReport) -> dict[str, Any]:
    return {
        "object": "retention.report",
        "request_id": report.request_id,
        "dry_run": report.dry_run,
        "at": report.at,
        "policy": msgspec.to_builtins(report.policy),
        "plan": msgspec.to_builtins(report.plan),
        "done": [_done_object(it) for it in report.done],
        "skipped": [
            {"session_id": it.due.session_id, "what": it.due.what, "code": it.error.code, "detail": str(it.error)}
            for it in report.skipped
        ],
        "has_more": report.has_more,
    }


def _done_object(it: LetGo) -> dict[str, Any]:
    return {
        "session_id": it.due.session_id,
        "what": it.due.what,
        "state_tokens": it.state_tokens,
        "receipt": erasure_object(it.erasure) if it.erasure else None,
    }
