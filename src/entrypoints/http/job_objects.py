"""Generations in the background as the native API shows them: as an object, and as events to follow."""

from collections.abc import Sequence
from typing import Any

from attrs import asdict, frozen

from ...application.jobs import JobNews, JobView
from ...application.transcript import FIRST, Numbered
from ...domain.generation import Progress, TextDelta
from ...domain.job import GenerationJob, JobFailure, JobStatus
from .exchange import Exchange
from .followed import event_of
from .problems import failure_object
from .rendering import generation_object, progress_object


def job_object(view: JobView, request_id: str, base: str) -> dict[str, Any]:
    """A job: the whole generation once there is one, until then what is known."""
    job = view.job
    if view.result:
        return generation_object(view.result, base)
    known: dict[str, Any] = {
        "id": job.id,
        "object": "generation",
        "status": job.status,
        "modality": job.modality,
        "model": {"id": job.model, "provider": job.provider, "version": None},
        "output": [],
        "session": {"id": job.session_id} if job.session_id else None,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "metadata": job.metadata,
    }
    if view.progress:
        known["progress"] = progress_object(view.progress)
    if job.failure:
        known["error"] = failure_object(job.failure, job_path(job.id), request_id)
    return known


def job_path(job_id: str) -> str:
    """Where a job is."""
    return f"/v1/generations/{job_id}"


@frozen
class JobEvents:
    """How a job is followed; `after` is the number of the event that its client had last."""

    exchange: Exchange
    after: int = 0

    def write(self, news: Sequence[JobNews]) -> bytes:
        """`started`, `delta`, `progress`, and at the end `completed` or `error`."""
        return b"".join(map(self._event_of, news))

    def _event_of(self, news: JobNews) -> bytes:
        match news:
            case GenerationJob():
                model = {"id": news.model, "provider": news.provider, "version": None}
                return _event("started", news.id, FIRST, {"model": model, "created_at": news.created_at})
            case Numbered(sequence, job_id, TextDelta(text)):
                return _event("delta", job_id, sequence, {"index": 0, "text": text})
            case Numbered(sequence, job_id, Progress() as progress):
                return _event("progress", job_id, sequence, progress_object(progress))
            case Numbered(sequence, job_id, call):
                return _event("delta", job_id, sequence, {"index": 0, "tool_call": asdict(call)})
            case JobView(job=job):
                return self._end(news, job)

    def _end(self, view: JobView, job: GenerationJob) -> bytes:
        sequence = job.sequence or self.after + 1  # where nobody knows how far it came, the end is news
        if job.status is JobStatus.COMPLETED:
            return _event("completed", job.id, sequence, job_object(view, self.exchange.request_id, self.exchange.base))
        failure = job.failure or JobFailure(code="cancelled", detail="The generation was cancelled.", source="client")
        return _event("error", job.id, sequence, failure_object(failure, job_path(job.id), self.exchange.request_id))


def _event(name: str, job_id: str, sequence: int, data: dict[str, Any]) -> bytes:
    return event_of(sequence, name, {"generation_id": job_id, "sequence": sequence, **data})
