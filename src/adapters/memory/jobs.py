"""Jobs in memory, lost at the end: for tests, and to develop against."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import evolve, frozen

from ...application.job_ports import Asked
from ...application.transcript import Numbered
from ...domain.errors import IdempotencyInProgress, Overloaded
from ...domain.generation import Progress
from ...domain.idempotency import IdempotencyKey
from ...domain.job import GenerationJob, JobStatus

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@frozen(kw_only=True)
class _Kept:
    job: GenerationJob
    key: IdempotencyKey | None
    asked: Asked | None
    claimed_until: datetime = _LONG_AGO
    cancelling: bool = False
    told: tuple[Numbered, ...] = ()


class MemoryJobStore:
    """Implements `JobStore`, for one process."""

    def __init__(self) -> None:
        self._jobs: dict[str, _Kept] = {}

    async def add(self, job: GenerationJob, asked: Asked, queue_limit: int) -> None:
        """Queue a job."""
        if asked.key and await self.of_key(job.owner, asked.key.key):
            raise IdempotencyInProgress(retry_after_s=1)
        waiting = [it for it in self._jobs.values() if _is_queued(it) and it.job.model == job.model]
        if len(waiting) >= queue_limit:
            raise Overloaded(detail=f"{queue_limit} generations wait for model {job.model!r}.", retry_after_s=5)
        self._jobs[job.id] = _Kept(job=job, key=asked.key, asked=asked)

    async def get(self, job_id: str) -> GenerationJob | None:
        """The job with that id."""
        return self._jobs[job_id].job if job_id in self._jobs else None

    async def of_key(self, owner: str, key: str) -> tuple[GenerationJob, IdempotencyKey] | None:
        """The job that a key stands for."""
        for it in self._jobs.values():
            if it.key and (it.job.owner, it.key.key) == (owner, key):
                return it.job, it.key
        return None

    async def claim(
        self, worker: str, now: datetime, until: datetime, *, but_of: Collection[str] = ()
    ) -> tuple[GenerationJob, Asked] | None:
        """Make the next job the worker's."""
        sessions: set[str | None] = set()
        for job_id, it in sorted(self._jobs.items()):
            if it.job.has_ended:
                continue
            free = _is_queued(it) and it.claimed_until <= now and it.job.model not in but_of
            if it.asked and free and it.job.session_id not in sessions:
                job = evolve(it.job, worker=worker)
                self._jobs[job_id] = evolve(it, job=job, claimed_until=until)
                return job, it.asked
            sessions |= {it.job.session_id} - {None}
        return None

    async def renew(self, worker: str, until: datetime) -> Mapping[str, bool]:
        """Go on with the worker's jobs."""
        mine = {job_id: it for job_id, it in self._jobs.items() if it.job.worker == worker and not it.job.has_ended}
        self._jobs |= {job_id: evolve(it, claimed_until=until) for job_id, it in mine.items()}
        return {job_id: it.cancelling for job_id, it in mine.items()}

    async def release(self, job_id: str, worker: str, until: datetime) -> None:
        """Give a job back."""
        self._change(job_id, worker, _is_queued, job=lambda job: evolve(job, worker=""), claimed_until=until)

    async def begin(self, job: GenerationJob) -> bool:
        """Store that it is worked on."""
        return self._change(job.id, job.worker, _is_queued, job=lambda _: job)

    async def end(self, job: GenerationJob) -> bool:
        """Store how it ended."""
        return self._change(job.id, job.worker, lambda it: not it.job.has_ended, job=lambda _: job, asked=None)

    async def tell(self, pieces: Sequence[Numbered]) -> None:
        """Keep more of what a running job gives."""
        it = self._jobs.get(pieces[0].job_id)
        if it and not it.job.has_ended:
            before = it.told[:-1] if it.told and isinstance(it.told[-1].piece, Progress) else it.told
            self._jobs[it.job.id] = evolve(it, told=(*before, *pieces))

    async def told(self, job_id: str, after: int) -> Sequence[Numbered]:
        """What was told of a job."""
        return [it for it in self._jobs[job_id].told if it.sequence > after] if job_id in self._jobs else []

    async def latest(self, job_id: str) -> Numbered | None:
        """What was told of a job last."""
        told = await self.told(job_id, 0)
        return told[-1] if told else None

    async def forget_told(self, before: datetime) -> None:
        """Delete what was told."""
        gone = [it for it in self._jobs.values() if it.job.ended_at is not None and it.job.ended_at < before]
        self._jobs |= {it.job.id: evolve(it, told=()) for it in gone}

    async def cancel(self, job_id: str) -> None:
        """Ask to stop it."""
        if job_id in self._jobs:
            self._jobs[job_id] = evolve(self._jobs[job_id], cancelling=True)

    async def abandoned(self, now: datetime) -> Sequence[GenerationJob]:
        """The jobs whose worker is gone."""
        kept = sorted(self._jobs.items())
        return [it.job for _, it in kept if it.job.status is JobStatus.RUNNING and it.claimed_until <= now]

    async def disown(self) -> None:
        """End every claim."""
        self._jobs = {job_id: evolve(it, claimed_until=_LONG_AGO) for job_id, it in self._jobs.items()}

    async def waiting_and_running(self) -> tuple[int, int]:
        """How many are queued, and how many run."""
        statuses = [it.job.status for it in self._jobs.values()]
        return statuses.count(JobStatus.QUEUED), statuses.count(JobStatus.RUNNING)

    async def forget_session(self, session_id: str) -> int:
        """Delete the jobs of a session."""
        return self._forget(lambda job: job.session_id == session_id)

    async def forget_ended(self, before: datetime) -> int:
        """Delete old jobs."""
        return self._forget(lambda job: job.ended_at is not None and job.ended_at < before)

    def _change(
        self,
        job_id: str,
        worker: str,
        may: Callable[[_Kept], bool],
        *,
        job: Callable[[GenerationJob], GenerationJob],
        **facts: Any,
    ) -> bool:
        it = self._jobs.get(job_id)
        if it is None or it.job.worker != worker or not may(it):
            return False
        self._jobs[job_id] = evolve(it, job=job(it.job), **facts)
        return True

    def _forget(self, gone: Callable[[GenerationJob], bool]) -> int:
        old = {job_id for job_id, it in self._jobs.items() if gone(it.job)}
        self._jobs = {job_id: it for job_id, it in self._jobs.items() if job_id not in old}
        return len(old)


def _is_queued(it: _Kept) -> bool:
    return it.job.status is JobStatus.QUEUED
