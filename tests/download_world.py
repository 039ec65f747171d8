"""Downloads over real files and a store in memory, with waits that a test can bear."""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from pluggably.adapters.downloads.budget import FreeDisk
from pluggably.adapters.downloads.pace import Patience
from pluggably.adapters.downloads.place import HIDDEN, LocalDownloadPlace
from pluggably.adapters.memory.downloads import MemoryDownloadStore, MemorySource
from pluggably.adapters.system import IdSequence, now
from pluggably.application.download_ports import DownloadSource
from pluggably.application.download_worker import DownloadWorker
from pluggably.application.downloads import DownloadRequest, Downloads
from pluggably.domain.access import LOCAL_OPERATOR
from pluggably.domain.download import ENDED, DownloadJob, DownloadStatus

IMPATIENT = Patience(tries=4, first_wait_s=0.001, longest_wait_s=0.01)
GGUF = b"GGUF" + bytes(range(256)) * 4_096  # a megabyte
SHELF = {"tiny": {"tiny.gguf": GGUF, "config.json": b"{}"}}


class Noted:
    """`Arrivals` that only remember what came."""

    def __init__(self) -> None:
        self.folders: list[Path | None] = []

    async def expect_free(self, wanted, folder, source):
        """Anything may come."""

    async def arrived(self, folder, source, wanted):
        self.folders.append(folder)
        return [folder.name] if folder else [source]


class DownloadWorld:
    """The use cases; models go to `models`."""

    def __init__(
        self,
        models: Path,
        sources: Collection[DownloadSource] = (),
        *,
        store=None,
        fetchers=(),
        budget=None,
        arrivals=None,
        streams: int = 4,
        limit_bytes_per_s: int | None = None,
        patience: Patience = IMPATIENT,
        name: str = "one",
        clock=now,
        **options,
    ) -> None:
        self.models = models
        self.store = store or MemoryDownloadStore()
        self.arrivals = arrivals or Noted()
        self.place = LocalDownloadPlace(models, streams=streams, limit_bytes_per_s=limit_bytes_per_s, patience=patience)
        shared = {
            "store": self.store,
            "sources": {it.scheme: it for it in sources or (MemorySource(SHELF),)},
            "fetchers": fetchers,
            "place": self.place,
            "budget": budget or FreeDisk(models, 0),
            "arrivals": self.arrivals,
            "clock": clock,
        }
        ordinary = {"beat_s": 0.01, "poll_s": 0.05, "name": name}
        self.worker = DownloadWorker(**(shared | ordinary | options))
        self.downloads = Downloads(worker=self.worker, new_id=IdSequence(), **shared)

    @asynccontextmanager
    async def working(self) -> AsyncIterator["DownloadWorld"]:
        """While its worker works."""
        try:
            async with self.worker.working():
                yield self
        finally:
            await self.place.close()

    async def create(self, source: str = "memory:tiny", **facts) -> DownloadJob:
        return await self.downloads.create(DownloadRequest(source=source, **facts), LOCAL_OPERATOR)

    async def until(self, job: DownloadJob, reached) -> DownloadJob:
        """The download as soon as that is so, or it has ended."""
        changes = await self.downloads.follow(job.id, LOCAL_OPERATOR, after=0, idle_s=30)
        async for change in changes:
            if change and (reached(change) or change.status in ENDED):
                await changes.aclose()
                return change
        raise AssertionError("it ended without an end")

    async def ended(self, job: DownloadJob) -> DownloadJob:
        """The download at its end."""
        return await self.until(job, lambda it: it.status in ENDED)

    async def running(self, job: DownloadJob, bytes_done: int = 1) -> DownloadJob:
        """The download when so many bytes are here."""
        return await self.until(job, lambda it: it.bytes_done >= bytes_done and it.status is DownloadStatus.RUNNING)

    async def fetched(self, source: str = "memory:tiny", **facts) -> DownloadJob:
        """A download, from its beginning to its end."""
        return await self.ended(await self.create(source, **facts))

    @property
    def visible(self) -> list[str]:
        """What discovery would look at."""
        return sorted(
            it.relative_to(self.models).as_posix()
            for it in self.models.rglob("*")
            if it.is_file() and HIDDEN not in it.parts
        )

    @property
    def partial(self) -> list[str]:
        """What is hidden, by the last part of the names."""
        return sorted(it.name for it in (self.models / HIDDEN).glob("*/*") if it.name != "lock")
