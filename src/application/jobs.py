"""Generations in the background: ask for one, look at it, follow it, stop it."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from time import monotonic

from attrs import define, evolve, frozen

from ..domain.access import Principal
from ..domain.errors import IdempotencyInProgress, IdempotencyMismatch, NotFound
from ..domain.generation import Generation, Progress
from ..domain.job import GenerationJob
from .command import GenerateCommand
from .generate import Generate
from .job_ports import Asked, JobStore
from .job_worker import JobWorker
from .ports import Clock, IdFactory
from .recall import used
from .tracing import TRACE
from .transcript import FIRST, Numbered

POLL_S = 0.5
"""How often is looked what has become of a job that another process works on."""


@frozen(kw_only=True)
class JobView:
    """A job as its owner sees it: with its files as they are delivered, and how far it has come."""

    job: GenerationJob
    result: Generation | None = None
    progress: Progress | None = None


JobNews = GenerationJob | Numbered | JobView
"""What followers are given: the job as it has begun, its pieces, and last the job as it ended."""


@define(kw_only=True)
class Jobs:
    """Jobs, each its owner's alone. `queue_limit` is how many may wait for one model."""

    store: JobStore
    worker: JobWorker
    generate: Generate
    clock: Clock
    new_id: IdFactory
    queue_limit: int = 256

    async def submit(self, command: GenerateCommand, principal: Principal, request_id: str) -> JobView:
        """Queue a generation, or give the one that the same request with the same key has queued before.

        Raises:
            Rejected, NotFound, Conflict: it could not even begin; nothing was queued.
            Overloaded: too many wait for the model.
        """
        if before := await self._before(command, principal):
            return await self._view(before, principal)
        command, model = await self.generate.check(command, principal)
        job = GenerationJob(
            id=self.new_id("gen"),
            owner=principal.id,
            modality=command.modality,
            model=model.id,
            provider=model.provider,
            created_at=self.clock(),
            session_id=command.session_id,
            delivery=command.delivery,
            metadata=command.metadata,
        )
        key = command.idempotency
        if command.session_id is None:  # then the job alone stands for the key
            command = evolve(command, idempotency=None)
        asked = Asked(command=command, principal=principal, request_id=request_id, key=key, trace=TRACE.get())
        try:
            await self.store.add(job, asked, self.queue_limit)
        except IdempotencyInProgress:  # the same request, sent twice at once: the other one was first
            return await self.submit(evolve(command, idempotency=key), principal, request_id)
        self.worker.wake()
        return JobView(job=job)

    async def get(self, job_id: str, principal: Principal, *, wait_s: float = 0) -> JobView:
        """The job, as soon as it has ended or `wait_s` are over.

        Raises:
            NotFound: there is no such job, or it is somebody else's.
        """
        end = monotonic() + wait_s
        job = await self._owned(job_id, principal)
        while not job.has_ended and (left := end - monotonic()) > 0:
            await self.worker.changed(job_id, min(left, POLL_S))
            job = await self._owned(job_id, principal)
        return await self._view(job, principal)

    async def cancel(self, job_id: str, principal: Principal) -> JobView:
        """Stop a job; one that has ended stays as it is. One that another process works on ends a little later.

        Raises:
            NotFound: as `get`.
        """
        job = await self._owned(job_id, principal)
        if not job.has_ended and not await self.worker.cancel(job_id):
            if not job.worker and await self.store.end(job.cancelled(self.clock(), FIRST)):
                self.worker.tell(job_id)
            else:
                await self.store.cancel(job_id)
        return await self._view(await self._owned(job_id, principal), principal)

    async def follow(
        self, job_id: str, principal: Principal, *, after: int = 0, idle_s: float = 15.0
    ) -> AsyncGenerator[tuple[JobNews, ...], None]:
        """What the job gives after the news with that number, as it comes; nothing after `idle_s` without any.

        It begins with nothing, at once. Whoever comes late is told what is still known, and always the end. What
        another process works on comes a little later, by way of the store.

        Raises:
            NotFound: as `get`.
        """
        yield ()
        told = monotonic()
        while True:
            job = await self._owned(job_id, principal)
            if job.started_at and after < FIRST:
                after, told = FIRST, monotonic()
                yield (job,)
            if job.started_at and (transcript := self.worker.transcript(job_id)):
                async with aclosing(transcript.after(after, idle_s)) as batches:
                    async for batch in batches:
                        after, told = batch[-1].sequence if batch else after, monotonic()
                        yield batch
            elif job.started_at and (pieces := await self.store.told(job_id, after)):
                after, told = pieces[-1].sequence, monotonic()
                yield tuple(pieces)
            elif job.has_ended:
                yield (await self._view(job, principal),)
                return
            else:
                await self.worker.changed(job_id, min(idle_s, POLL_S))
                if monotonic() - told >= idle_s:
                    told = monotonic()
                    yield ()

    async def _before(self, command: GenerateCommand, principal: Principal) -> GenerationJob | None:
        if command.idempotency is None:
            return None
        if known := await self.store.of_key(principal.id, command.idempotency.key):
            job, key = known
            if key != command.idempotency:
                raise IdempotencyMismatch(
                    detail="This Idempotency-Key was used for another request: send the very same request, or another "
                    "key."
                )
            return job
        await used(self.generate.turns.store, principal, command.idempotency)
        return None

    async def _owned(self, job_id: str, principal: Principal) -> GenerationJob:
        job = await self.store.get(job_id)
        if job is None or job.owner != principal.id:
            raise NotFound.of("background generation", job_id)
        return job

    async def _view(self, job: GenerationJob, principal: Principal) -> JobView:
        if job.result:
            kept = await self.generate.media.kept(job.result.result, principal)
            files = await self.generate.media.delivered(kept, job.delivery)
            return JobView(job=job, result=evolve(job.result, files=files))
        return JobView(job=job, progress=await self._progress(job))

    async def _progress(self, job: GenerationJob) -> Progress | None:
        if transcript := self.worker.transcript(job.id):
            return transcript.progress
        latest = None if job.has_ended else await self.store.latest(job.id)
        return latest.piece if latest and isinstance(latest.piece, Progress) else None
