"""Brings one file: in parallel ranges, going on from what is here, and beginning anew when the source has another file.

Each stream asks for a range and writes it as it comes, a chunk in a thread while the next one is received. A source
that breaks off or falls silent is asked again for what is missing, after a while that grows; whatever comes makes it
patient again. A source that does not give ranges is read from the beginning, by one stream. At most one chunk for each
stream is lost when the process is killed: what is in memory.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path

from attrs import define, evolve, field, frozen

from ...application.download_ports import Chunk, DownloadSource, Opened
from ...domain.download import DownloadFile, FileStatus
from ...domain.errors import ChecksumMismatch, SourceChanged, SourceUnreachable
from ...domain.file_names import shown
from ..threads import Threads
from .extents import Extent, slices
from .pace import Patience, RateLimit
from .partial import Partial
from .together import all_done

CHUNK_BYTES = 2**20
"""What is written at once, by a stream that is not faster than the disk."""
MOST_WAITING = 3 * 2**20
"""What of a stream waits for the disk at most."""
LEAST_SLICE = 2**23
LARGEST_SLICE = 2**26
FLUSH_S = 5.0
MOST_CHANGES = 3
"""How often a file may change while it is fetched."""


class _Changed(Exception):
    """The source has another file than before."""

    def __init__(self, opened: Opened) -> None:
        super().__init__()
        self.opened = opened


class _NoRanges(Exception):
    """The source gives a file only from its beginning."""


@frozen(kw_only=True)
class Lanes:
    """What transfers share: threads, the connections that a download may have at once, the rate, and patience."""

    threads: Threads
    streams: int
    connections: asyncio.Semaphore
    limit: RateLimit
    patience: Patience


@define(eq=False, kw_only=True)
class Transfer:
    """One file on its way into `path`."""

    source: DownloadSource
    path: Path
    file: DownloadFile
    lanes: Lanes
    tell: Callable[[DownloadFile], None]
    _partial: Partial = field(init=False)
    _sequential: bool = field(init=False, default=False)

    async def run(self) -> str:
        """Bring it, whole and checked.

        Returns:
            Its sha256, in hex.

        Raises:
            ChecksumMismatch, UnsafeFile, SourceChanged: it was removed.
            SourceFailed, NotFound, InsufficientStorage: what came is kept.
        """
        with ExitStack() as held:
            await self.lanes.threads.run(lambda: self._open(held))
            try:
                return await self._whole()
            except (ChecksumMismatch, SourceChanged):
                held.callback(self._partial.remove)
                raise

    def _open(self, held: ExitStack) -> None:
        self._partial = held.enter_context(closing(Partial(self.path, self.file)))

    async def _whole(self) -> str:
        changes = 0
        while changes <= MOST_CHANGES:
            try:
                await self._fill()
                self._say(FileStatus.VERIFYING)
                return await self.lanes.threads.run(self._partial.finish)
            except _NoRanges:
                changes += self._sequential  # it broke off, and there is no way to go on but from the beginning
                self._sequential = True
                await self._start_over(self._partial.file)
            except _Changed as changed:
                changes, opened = changes + 1, changed.opened
                await self._start_over(evolve(self._partial.file, size_bytes=opened.size_bytes, tag=opened.tag))
            except ChecksumMismatch:
                if not self._partial.resumed:
                    raise
                await self._start_over(self._partial.file)  # what an earlier process left may be at fault
        raise SourceChanged(
            detail=f"{shown(self.file.name)} changed at its source, or broke off without a way to go on, "
            f"{changes} times while it was fetched."
        )

    async def _start_over(self, file: DownloadFile) -> None:
        await self.lanes.threads.run(lambda: self._partial.start_over(file))
        self._say(FileStatus.RUNNING)

    async def _fill(self) -> None:
        """Fetch what is missing."""
        self._say(FileStatus.RUNNING)
        gaps = self._partial.missing()
        streams = 1 if self._sequential else self.lanes.streams
        size = sum(stop - start for start, stop in gaps)
        most = size if streams == 1 else min(max(size // streams, LEAST_SLICE), LARGEST_SLICE)
        waiting = deque(slices(gaps, most) if gaps else [])
        flushing = asyncio.create_task(self._flush_again_and_again())
        try:
            await all_done([self._stream(waiting) for _ in range(min(streams, len(waiting)))])
        finally:
            flushing.cancel()
            await asyncio.wait({flushing})

    async def _flush_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.lanes.threads.run(self._partial.flush)

    async def _stream(self, waiting: deque[Extent]) -> None:
        while waiting:
            at, stop = waiting.popleft()
            failures = 0
            while at < stop:
                before = at
                try:
                    at = await self._receive(at, stop)
                    continue
                except SourceUnreachable as error:
                    at = self._written_up_to(before, stop)
                    failures = 1 if at > before else failures + 1
                    if failures >= self.lanes.patience.tries:
                        raise
                    await asyncio.sleep(self.lanes.patience.wait_s(failures, error.retry_after_s))

    def _written_up_to(self, start: int, stop: int) -> int:
        """Where the first gap from `start` on begins."""
        return next((max(gap[0], start) for gap in self._partial.missing() if gap[1] > start), stop)

    async def _receive(self, start: int, stop: int) -> int:
        """Receive a range and write it; where it ended."""
        async with self.lanes.connections, self.source.open(self._partial.file, start, stop) as opened:
            file = self._partial.file
            if opened.size_bytes != file.size_bytes or opened.tag != file.tag:
                raise _Changed(opened)
            if opened.start != start:
                raise _NoRanges
            await self._write(opened, start, stop)
        return stop

    async def _write(self, opened: Opened, at: int, stop: int) -> None:
        chunks: list[Chunk] = []
        held, writing = 0, None
        try:
            async for chunk in opened.chunks:
                part = chunk[: stop - at - held] if at + held + len(chunk) > stop else chunk
                chunks.append(part)
                held += len(part)
                await self.lanes.limit.take(len(part))
                if held >= MOST_WAITING or (held >= CHUNK_BYTES and (writing is None or writing.done())):
                    if writing:
                        await writing
                    writing = asyncio.ensure_future(self._put(at, chunks))
                    at, chunks, held = at + held, [], 0
                elif at + held >= stop:
                    break
        finally:  # what came is kept, whatever ended it
            if writing:
                await writing
            if chunks:
                await self._put(at, chunks)
        if at + held < stop:
            raise SourceUnreachable(detail=f"The source of {shown(self.file.name)} broke off again and again.")

    async def _put(self, offset: int, chunks: list[Chunk]) -> None:
        await self.lanes.threads.run(lambda: self._partial.write(offset, chunks))
        self._say(FileStatus.RUNNING)

    def _say(self, status: FileStatus) -> None:
        self.tell(evolve(self._partial.file, bytes_done=self._partial.bytes_done, status=status))
