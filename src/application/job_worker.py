"""Works on jobs: takes them out of their queues, has them generated, and keeps what became of them."""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime, timedelta

from attrs import define, field

from ..domain.errors import (
    Draining,
    GatewayError,
    ModelLoading,
    Overloaded,
    RateLimited,
    SessionBusy,
    StreamInterrupted,
)
from ..domain.generation import Generation
from ..domain.job import GenerationJob, JobStatus
from .generate import Generate
from .job_ports import Asked, JobStore
from .news import Changes
from .ports import Clock
from .recall import completed_turn
from .tracing import TRACE
from .transcript import FIRST, Transcript

LEASE = timedelta(seconds=6)
"""How long a claim is good that is not renewed: then its worker is taken for dead."""

WAITS = (Overloaded, ModelLoading, SessionBusy, RateLimited, Draining)
"""What a job waits for in its queue rather than to fail of it."""

LONGEST_WAIT_S = 60.0


@define(eq=False, kw_only=True)
class JobWorker:
    """The jobs that this process works on, at most `parallel` of each model.

    The model's own queue says when each of them begins, so that jobs and other requests take their turns there. `name`
    is unlike that of any other process, and `shared` says whether there may be others on the same store, so that jobs
    can be followed there. `unexpected` is told of errors that nobody thought of.
    """

    store: JobStore
    generate: Generate
    clock: Clock
    name: str
    parallel: int = 4
    shared: bool = False
    unexpected: Callable[[str, Exception], None]
    news: asyncio.Event = field(init=False, factory=asyncio.Event)
    _tasks: dict[str, asyncio.Task[None]] = field(init=False, factory=dict)
    _models: Counter[str] = field(init=False, factory=Counter)
    _transcripts: dict[str, Transcript] = field(init=False, factory=dict)
    _cancelled: set[str] = field(init=False, factory=set)
    _changes: Changes = field(init=False, factory=Changes)
    _draining: bool = field(init=False, default=False)
    _sharing: asyncio.Lock = field(init=False, factory=asyncio.Lock)
    _steady_since: datetime | None = field(init=False, default=None)

    def transcript(self, job_id: str) -> Transcript | None:
        """What a job gives, while it is worked on here."""
        return self._transcripts.get(job_id)

    async def changed(self, job_id: str, timeout_s: float) -> None:
        """Wait until the job has changed here, but no longer than that."""
        await self._changes.wait(job_id, timeout_s)

    def wake(self) -> None:
        """There may be something to take."""
        self.news.set()

    def tell(self, job_id: str) -> None:
        """The job has changed."""
        self._changes.tell(job_id)

    async def take(self) -> None:
        """Begin to work on all jobs that there is room for."""
        while not self._draining:
            now = self.clock()
            full = [model for model, number in self._models.items() if number >= self.parallel]
            claimed = await self.store.claim(self.name, now, now + LEASE, but_of=full)
            if claimed is None:
                return
            self._begin(*claimed)

    async def renew(self) -> None:
        """Go on with what is worked on here; stop what shall be cancelled, or was taken for dead."""
        if not (here := set(self._tasks)):
            return
        held = await self.store.renew(self.name, self.clock() + LEASE)
        for job_id in here:
            if held.get(job_id, True):
                self._stop(job_id)

    async def share(self) -> None:
        """Tell other processes what the jobs have given since the last time."""
        for transcript in list(self._transcripts.values()):
            await self._share(transcript)

    async def bury(self) -> None:
        """End the jobs whose process is gone: with their result if a session has it, else as interrupted.

        A store that was away has heard of nobody: then all others get the time of a lease to say that they live.
        """
        if self._steady_since and self.clock() < self._steady_since + LEASE:
            return
        for job in await self.store.abandoned(self.clock()):
            await self.store.end(await self._kept(job, 0) or job.interrupted(self.clock()))
            self.tell(job.id)

    def lose_sight(self) -> None:
        """The store is away, or other processes may have been before this one."""
        self._steady_since = self.clock()

    async def cancel(self, job_id: str) -> bool:
        """Stop a job if it is worked on here, and wait for its end.

        Returns:
            Whether it was.
        """
        task = self._tasks.get(job_id)
        if task is None:
            return False
        self._stop(job_id)
        await asyncio.wait({task})
        return True

    def drain(self) -> None:
        """Begin no more jobs."""
        self._draining = True

    async def close(self, grace_s: float = 0) -> None:
        """Let jobs at work come to their end for so long; then they are interrupted, or go back to their queue."""
        self.drain()
        if self._tasks and grace_s > 0:
            await asyncio.wait(self._tasks.values(), timeout=grace_s)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _begin(self, job: GenerationJob, asked: Asked) -> None:
        self._models[job.model] += 1
        transcript = self._transcripts[job.id] = Transcript(job.id)
        task = self._tasks[job.id] = asyncio.create_task(self._work(job, asked, transcript))
        task.add_done_callback(lambda _: self._left(job, transcript))

    def _left(self, job: GenerationJob, transcript: Transcript) -> None:
        del self._tasks[job.id], self._transcripts[job.id]
        self._models[job.model] -= 1
        self._cancelled.discard(job.id)
        transcript.close()
        self.tell(job.id)
        self.wake()

    def _stop(self, job_id: str) -> None:
        if (task := self._tasks.get(job_id)) and job_id not in self._cancelled:
            self._cancelled.add(job_id)
            task.cancel()

    async def _work(self, job: GenerationJob, asked: Asked, transcript: Transcript) -> None:
        TRACE.set(asked.trace)
        try:
            if ended := await self._ended(job, asked, transcript):
                try:
                    await self._share(transcript)
                finally:
                    await self.store.end(ended)
        except GatewayError as error:  # of the store: the job is interrupted once its claim is over
            self.unexpected(job.id, error)

    async def _ended(self, job: GenerationJob, asked: Asked, transcript: Transcript) -> GenerationJob | None:
        """The job as it ended; None if it has gone back to its queue."""
        work = _Work(job, asked, transcript)
        try:
            result = await self._result(work)
            return work.job.completed(result, self.clock(), work.last)
        except asyncio.CancelledError:
            return await self._stopped(work)
        except WAITS as error:
            return await self._turned_away(work, error)
        except GatewayError as error:
            return work.job.failed(error, self.clock(), work.last)
        except Exception as error:
            self.unexpected(job.id, error)
            return work.job.failed(GatewayError(), self.clock(), work.last)

    async def _stopped(self, work: "_Work") -> GenerationJob | None:
        if kept := await self._kept(work.job, work.last):  # it was too late to stop
            return kept
        if work.job.id in self._cancelled:
            return work.job.cancelled(self.clock(), work.last)
        if work.begun:
            return work.job.interrupted(self.clock(), work.last)
        await self.store.release(work.job.id, self.name, self.clock())
        return None

    async def _turned_away(self, work: "_Work", error: GatewayError) -> GenerationJob | None:
        if work.begun:
            return work.job.failed(error, self.clock(), work.last)
        wait_s = min(error.retry_after_s or 1.0, LONGEST_WAIT_S)
        await self.store.release(work.job.id, self.name, self.clock() + timedelta(seconds=wait_s))
        return None

    async def _result(self, work: "_Work") -> Generation:
        async def begin() -> None:
            if work.begun:  # with a model that then failed
                return
            work.job = work.job.begun(self.clock())
            if not await self.store.begin(work.job):  # somebody else has it
                self._stop(work.job.id)
            self.tell(work.job.id)

        asked = work.asked
        async with (
            self.generate.begin(
                asked.command, asked.principal, asked.request_id, generation_id=work.job.id, when_begun=begin
            ) as running,
            aclosing(running.outputs()) as outputs,
        ):
            async for output in outputs:
                if isinstance(output, Generation):
                    return output
                work.transcript.add(output)
        raise StreamInterrupted

    async def _share(self, transcript: Transcript) -> None:
        if not self.shared:
            return
        async with self._sharing:
            if pieces := transcript.since(transcript.shared):
                await self.store.tell(pieces)
                transcript.shared = pieces[-1].sequence

    async def _kept(self, job: GenerationJob, sequence: int) -> GenerationJob | None:
        """The job with its result, if its session has it."""
        if job.session_id is None:
            return None
        result = await completed_turn(self.generate.turns.store, self.generate.states, job.session_id, job.id)
        return job.completed(result, self.clock(), sequence) if result else None


@define(eq=False)
class _Work:
    job: GenerationJob
    asked: Asked
    transcript: Transcript

    @property
    def begun(self) -> bool:
        return self.job.status is JobStatus.RUNNING

    @property
    def last(self) -> int:
        """The number of the end."""
        return self.transcript.sequence + 1 if self.begun else FIRST
