"""`/v1/generations/{id}`: generations in the background."""

import msgspec
from attrs import frozen
from falcon.asgi import Response

from ....application.jobs import Jobs, JobView
from ..body import Nothing, principal_of, read_body, read_query, refuse_idempotency_key
from ..exchange import Request
from ..followed import follow, last_event_id
from ..job_objects import JobEvents, job_object, job_path
from ..preferences import wait_preferred

POLL_AFTER_S = "1"
_encode = msgspec.json.Encoder().encode


@frozen
class JobResource:
    """The resource."""

    jobs: Jobs

    async def on_get(self, req: Request, resp: Response, generation_id: str) -> None:
        """What became of it so far; `Prefer: wait` waits for the end."""
        read_query(req, Nothing)
        wait_s = wait_preferred(req)
        show(req, resp, await self.jobs.get(generation_id, principal_of(req), wait_s=wait_s or 0), wait_s)

    async def on_get_events(self, req: Request, resp: Response, generation_id: str) -> None:
        """Its events from the start, or after the one that `Last-Event-ID` names."""
        read_query(req, Nothing)
        after = last_event_id(req) or 0
        job = (await self.jobs.get(generation_id, principal_of(req))).job
        if job.has_ended and 0 < job.sequence <= after:
            resp.status_code = 204  # which tells an EventSource not to come again
            return
        await follow_job(req, resp, self.jobs, generation_id, after)

    async def on_post_cancel(self, req: Request, resp: Response, generation_id: str) -> None:
        """Stop it."""
        refuse_idempotency_key(req, "")
        read_body(req, Nothing)
        show(req, resp, await self.jobs.cancel(generation_id, principal_of(req)))


def show(req: Request, resp: Response, view: JobView, wait_s: int | None = None, *, new: bool = False) -> None:
    """Answer with a job; `new`: with 202 and where it is, as long as it has not ended."""
    if not view.job.has_ended:
        resp.set_header("retry-after", POLL_AFTER_S)
    if new:
        resp.status_code = 200 if view.job.has_ended else 202
        resp.location = job_path(view.job.id)
    if wait_s is not None:
        resp.set_header("preference-applied", f"wait={wait_s}")
    resp.content_type = "application/json"
    resp.data = _encode(job_object(view, req.exchange.request_id, req.prefix))


async def follow_job(req: Request, resp: Response, jobs: Jobs, generation_id: str, after: int = 0) -> None:
    """Answer with the events of a job; it goes on when the client leaves."""
    news = jobs.follow(generation_id, principal_of(req), after=after, idle_s=req.exchange.options.ping_interval_s)
    await follow(resp, req.exchange, news, JobEvents(req.exchange, after).write, job_path(generation_id))
