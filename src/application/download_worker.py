"""Works on downloads: takes those that wait, a few at once, and goes on with those that a process left behind.

Who works on a download says so in the store, for some seconds at a time, and stores how far it has come with it. When
that fails because somebody else has changed the download, or its lease is over, the work stops: that is how another
process pauses or cancels it. Every task here has an owner: they end when the context of `working` is left.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, cast

from attrs import define, evolve, field

from ..domain import download as rules
from ..domain.download import AT_WORK, ENDED, DownloadFile, DownloadJob, DownloadStatus, Failure, FileStatus
from ..domain.errors import GatewayError, Overloaded
from .download_ports import Arrivals, DownloadPlace, DownloadStore, Lease, Sources, StorageBudget
from .news import Changes, keep_taking
from .ports import Clock, ModelFetcher
from .telemetry import DownloadObserver, Unobserved

COMPLETE = "complete"
"""What a fetcher calls its last step."""

OF_NO_USE = frozenset({"insufficient_storage", "unsafe_file"})
"""Failures after which partial files would only take room."""

_log = logging.getLogger(__name__)


@define(eq=False)
class _Work:
    """A download at work; `files` are as they are now, by their names. `until` is when our lease ends."""

    job: DownloadJob
    until: datetime
    files: dict[str, DownloadFile]
    verifying: bool = False
    stopping: bool = False
    error: GatewayError | None = None
    task: "asyncio.Task[None] | None" = None

    def tell(self, file: DownloadFile) -> None:
        self.files[file.name] = file


@define(kw_only=True, eq=False)
class DownloadWorker:
    """`name` is this process's own among all that share the store; `parallel` downloads are at work at once.

    Every `beat_s` it stores how far they are, and has them for `lease_s` more. `alone` says that no other process uses
    the store.
    """

    store: DownloadStore
    sources: Sources
    fetchers: Sequence[ModelFetcher]
    place: DownloadPlace
    budget: StorageBudget
    arrivals: Arrivals
    clock: Clock
    name: str
    parallel: int = 2
    beat_s: float = 0.5
    lease_s: float = 10.0
    poll_s: float = 2.0
    alone: bool = False
    observer: DownloadObserver = field(factory=Unobserved)
    _works: dict[str, _Work] = field(init=False, factory=dict)
    _woken: asyncio.Event = field(init=False, factory=asyncio.Event)
    _changes: Changes = field(init=False, factory=Changes)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work on downloads until the context is left; what is not done by then waits for the next process.

        Raises:
            GatewayError: the store could not be read.
        """
        if self.alone:
            await self.store.end_leases()
        looking = asyncio.create_task(keep_taking(self._take, self._woken, self.poll_s, self._not_taken))
        try:
            yield
        finally:
            looking.cancel()
            await asyncio.wait({looking})
            await asyncio.gather(*(self.stop(job_id) for job_id in list(self._works)))

    @property
    def at_work(self) -> frozenset[str]:
        """The ids of the downloads that this process works on."""
        return frozenset(self._works)

    def wake(self) -> None:
        """Say that there may be something to do."""
        self._woken.set()

    def tell(self, job_id: str) -> None:
        """Say that a download has changed."""
        self._changes.tell(job_id)

    async def changed(self, job_id: str, timeout_s: float) -> None:
        """Wait until a download has changed here, or so long."""
        await self._changes.wait(job_id, timeout_s)

    async def stop(self, job_id: str) -> None:
        """Stop to work on a download here, and return when its connections are closed and its files written."""
        if (work := self._works.get(job_id)) and work.task:
            if not work.stopping:
                work.stopping = True
                work.task.cancel()
            await asyncio.wait({work.task})

    def _not_taken(self, error: Exception) -> None:
        if not isinstance(error, GatewayError):  # else the store is away: it is asked again
            _log.error("looking for downloads failed", exc_info=error)

    async def _take(self) -> None:
        """Begin to work on all downloads that there is room for."""
        while len(self._works) < self.parallel:
            lease = self.lease()
            if (job := await self.store.claim(lease, self.clock())) is None:
                return
            self._begin(job, lease)

    def lease(self) -> Lease:
        """What this process would have a download for, from now on."""
        return Lease(worker=self.name, until=self.clock() + timedelta(seconds=self.lease_s))

    def _begin(self, job: DownloadJob, lease: Lease) -> None:
        work = _Work(job, lease.until, {file.name: file for file in job.files})
        self._works[job.id] = work
        work.task = asyncio.create_task(self._work(work))
        work.task.add_done_callback(lambda _: self._ended(work))

    def _ended(self, work: _Work) -> None:
        del self._works[work.job.id]
        self.tell(work.job.id)
        if not isinstance(work.error, Overloaded):  # else it would be tried again at once, and again
            self.wake()

    async def _work(self, work: _Work) -> None:
        """Bring it, while its state is stored again and again; the last word on it is stored at the end."""
        bringing = asyncio.create_task(self._bring(work))
        try:
            while not bringing.done():
                await asyncio.wait({bringing}, timeout=self.beat_s)
                if not bringing.done() and not await self._beat(work):
                    break
        finally:
            bringing.cancel()
            await asyncio.wait({bringing})
            await self._conclude(work, bringing)

    async def _bring(self, work: _Work) -> Sequence[str]:
        """Fetch, check, and put in place; the ids of the models."""
        job = work.job
        scheme, _, reference = job.source.partition(":")
        for fetcher in self.fetchers:
            if fetcher.scheme == scheme:
                await self._fetch(fetcher, reference, work)
                return await self.arrivals.arrived(None, job.source, job.wanted)
        if scheme not in self.sources:
            raise GatewayError(detail=f"Nothing here fetches from {scheme}: any more; see the settings.")
        async with self.place.held(job):
            folder = await self.place.find(job)
            if folder is None:
                await self.budget.reserve(job.key, job.bytes_left)
                await self.place.bring(job, self.sources[scheme], work.tell)
                work.verifying = True
                folder = await self.place.put(evolve(job, files=tuple(work.files.values())))
        return await self.arrivals.arrived(folder, job.public_source, job.wanted)

    async def _fetch(self, fetcher: ModelFetcher, reference: str, work: _Work) -> None:
        """Have it come as a whole; there is room for it, as soon as it is known how much that is."""
        total: int | None = None
        async with aclosing(cast(Any, fetcher.fetch(reference))) as steps:
            async for step in steps:
                whole = step.status == COMPLETE
                if step.bytes_total is not None and step.bytes_total != total:
                    total = step.bytes_total
                    await self.budget.reserve(work.job.key, total - step.bytes_done)
                work.tell(
                    DownloadFile(
                        name=reference,
                        address=reference,
                        size_bytes=total or 0,
                        bytes_done=step.bytes_done,
                        status=FileStatus.COMPLETED if whole else FileStatus.RUNNING,
                    )
                )

    async def _beat(self, work: _Work) -> bool:
        """Store how far it is; whether to go on."""
        at = self.clock()
        job = rules.progress(work.job, tuple(work.files.values()), at=at)
        if work.verifying and job.status is DownloadStatus.RUNNING:
            job = rules.verify(job, at=at)
        self.observer.downloaded(max(0, job.bytes_done - work.job.bytes_done))
        lease = self.lease()
        try:
            saved = await self.store.save(job, lease)
        except GatewayError:  # the store is away: until our lease is over nobody else has it
            return at < work.until
        if saved is None:
            return False
        work.job, work.until = saved, lease.until
        self.tell(job.id)
        try:
            await self.budget.reserve(job.key, job.bytes_left)
        except GatewayError as error:
            work.error = error
        return work.error is None

    async def _conclude(self, work: _Work, bringing: "asyncio.Task[Sequence[str]]") -> None:
        """Store what has become of it; if somebody else has changed it meanwhile, do what that asks for."""
        job, at = rules.progress(work.job, tuple(work.files.values()), at=self.clock()), self.clock()
        self.observer.downloaded(max(0, job.bytes_done - work.job.bytes_done))
        error = work.error or (None if bringing.cancelled() else bringing.exception())
        if isinstance(error, Overloaded):  # another process of this machine has its files
            work.error, error = error, None
        elif error is None and not bringing.cancelled():
            job = job if job.status is DownloadStatus.VERIFYING else rules.verify(job, at=at)
            job = rules.complete(job, tuple(bringing.result()), at=at)
        if error:
            if not isinstance(error, GatewayError):
                _log.error("download %s failed", job.id, exc_info=error)
            job = rules.fail(job, failure_of(error), at=at)
        elif job.status is not DownloadStatus.COMPLETED:
            job = rules.give_back(job, at=at)
        try:
            now = await self.store.save(job) or await self._as_changed(job)
            if now and now.status in ENDED:
                self.observer.download_ended(now.status)
            if now is None or now.status not in (*AT_WORK, DownloadStatus.QUEUED):
                await self._let_go(job.key, now)
        except GatewayError:  # the store is away: somebody goes on when our lease is over, and sets aside what it takes
            await self.budget.release(job.key)

    async def _as_changed(self, job: DownloadJob) -> DownloadJob | None:
        """The download as somebody else has made it, with our last word on how far it is."""
        now = await self.store.get(job.id)
        if now is not None and now.status is DownloadStatus.PAUSED:
            return await self.store.save(evolve(now, files=job.files)) or now
        return now

    async def _let_go(self, key: str, now: DownloadJob | None) -> None:
        """Let go of what is set aside for it, and of its partial files unless it can go on from them."""
        await self.budget.release(key)
        if now is None or now.status is DownloadStatus.CANCELLED or (now.failure and now.failure.code in OF_NO_USE):
            await self.place.discard(key)


def failure_of(error: BaseException) -> Failure:
    """What clients learn of an error."""
    known = error if isinstance(error, GatewayError) else GatewayError(detail="The gateway failed; see its log.")
    return Failure(code=known.code, detail=str(known), retryable=known.retryable)
