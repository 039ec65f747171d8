"""Downloads in memory, and a source that holds its files there: for tests, and to develop against."""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from hashlib import sha256

from attrs import define, evolve, field

from ...application.download_ports import Chunk, Lease, Listing, Opened
from ...domain.download import AT_WORK, ENDED, DownloadFile, DownloadJob, DownloadStatus, start
from ...domain.errors import InvalidRequest, NotFound
from ...domain.file_names import chosen

PIECE_BYTES = 4_096


class MemoryDownloadStore:
    """A `DownloadStore` that ends with the process."""

    def __init__(self) -> None:
        self._jobs: dict[str, DownloadJob] = {}
        self._leases: dict[str, Lease] = {}

    async def add(self, job: DownloadJob) -> DownloadJob:
        """Add a download, or find the one that is there."""
        if known := await self.of_key(job.key):
            return known
        return self._jobs.setdefault(job.id, job)

    async def get(self, job_id: str) -> DownloadJob | None:
        """The download with that id."""
        return self._jobs.get(job_id)

    async def of_key(self, key: str) -> DownloadJob | None:
        """The download of that key that has not ended."""
        return next((it for it in self._jobs.values() if it.key == key and it.status not in ENDED), None)

    async def list(self, *, limit: int, before: str | None = None) -> Sequence[DownloadJob]:
        """Downloads, the newest first."""
        ids = sorted((it for it in self._jobs if before is None or it < before), reverse=True)
        return [self._jobs[it] for it in ids[:limit]]

    async def claim(self, lease: Lease, at: datetime) -> DownloadJob | None:
        """Give a download to whoever asks."""
        for job_id in sorted(self._jobs):
            job, held = self._jobs[job_id], self._leases.get(job_id)
            free = job.status in AT_WORK and (held is None or held.until <= at)
            if free or job.status is DownloadStatus.QUEUED:
                return await self.save(start(job, at=at), lease)
        return None

    async def save(self, job: DownloadJob, lease: Lease | None = None) -> DownloadJob | None:
        """Store a download over the version that it was made from."""
        known = self._jobs.get(job.id)
        if known is None or known.version != job.version:
            return None
        self._leases.pop(job.id, None)
        if lease:
            self._leases[job.id] = lease
        self._jobs[job.id] = saved = evolve(job, version=job.version + 1)
        return saved

    async def numbers(self) -> Mapping[DownloadStatus, int]:
        """How many there are of each status."""
        return Counter(it.status for it in self._jobs.values() if it.status not in ENDED)

    async def keys(self) -> Collection[str]:
        """The keys of downloads that can go on."""
        ended = ENDED - {DownloadStatus.FAILED}
        return {it.key for it in self._jobs.values() if it.status not in ended}

    async def end_leases(self) -> None:
        """Take every lease for over."""
        self._leases.clear()

    async def delete(self, job_id: str) -> None:
        """Forget a download."""
        self._jobs.pop(job_id, None)
        self._leases.pop(job_id, None)


@define
class MemorySource:
    """A `DownloadSource`: `shelf` has the files, by their names, of each model by its reference."""

    shelf: Mapping[str, Mapping[str, bytes]]
    scheme: str = "memory"
    opened: list[tuple[str, int, int]] = field(factory=list)
    """What was asked for: name, start and stop."""

    async def list(self, reference: str, include: Sequence[str]) -> Listing:
        """All files, with their sha256."""
        if not reference or reference.startswith("/"):
            raise InvalidRequest.at("/source", f"after `{self.scheme}:` there must be a model's name")
        if (model := self.shelf.get(reference)) is None:
            raise NotFound.of("model", reference)
        files = tuple(
            DownloadFile(
                name=name,
                size_bytes=len(model[name]),
                address=f"{reference}/{name}",
                digest=f"sha256:{sha256(model[name]).hexdigest()}",
                tag='"1"',
            )
            for name in chosen(model, include)
        )
        if not files:
            raise NotFound(detail=f"No file of {reference!r} matches; there is {', '.join(model)}.")
        return Listing(name=reference, pinned=f"{self.scheme}:{reference}", files=files)

    @asynccontextmanager
    async def open(self, file: DownloadFile, start: int, stop: int) -> AsyncIterator[Opened]:
        """A part of a file."""
        reference, _, name = file.address.partition("/")
        if (content := self.shelf.get(reference, {}).get(name)) is None:
            raise NotFound.of("file", name)
        self.opened.append((name, start, stop))
        yield Opened(start=start, size_bytes=len(content), tag='"1"', chunks=_pieces(content[start:stop]))

    async def close(self) -> None:
        """Nothing is held open."""


async def _pieces(content: bytes) -> AsyncIterator[Chunk]:
    for begin in range(0, len(content), PIECE_BYTES):
        yield content[begin : begin + PIECE_BYTES]
