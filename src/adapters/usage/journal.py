"""What was just used, in files of this process: a line is written for each generation as it ends.

A line is in the kernel's hands before the answer is, so that whatever ends the process loses nothing; a power cut may
lose what is not in the ledger yet. Lines are not synced: that would take a thousand times as long.

A file is a batch: `<writer>.<number>.jsonl`. Its process holds a lock on it for as long as it lives; who starts takes
up the files that nobody holds. The sums are kept in memory too, so that files are read after a crash only.
"""

import asyncio
import fcntl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import FileIO
from pathlib import Path

import msgspec
import structlog
from attrs import define, field

from ...application.usage_ports import UsageBatch
from ...domain.usage import UsageCounts, UsageSlot, added_up
from ..disk_errors import disk_errors
from ..threads import Threads

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[UsageSlot, UsageCounts]).decode
_log = structlog.get_logger()


@define(eq=False)
class _Segment:
    """A file, locked, and the sums of what is in it."""

    writer: str
    number: int
    path: Path
    file: FileIO
    counts: dict[UsageSlot, UsageCounts] = field(factory=dict)
    torn: bool = False

    @property
    def batch(self) -> UsageBatch:
        return UsageBatch(writer=self.writer, number=self.number, counts=self.counts)

    def end(self) -> None:
        """Remove the file, then let go of it: whoever opened it meanwhile finds that it is gone."""
        self.path.unlink(missing_ok=True)
        self.file.close()


class UsageJournalFiles:
    """Implements `UsageJournal`. `writer` is unlike the name of any other process, without a dot."""

    def __init__(self, folder: Path, writer: str) -> None:
        """Make the folder and begin. Blocks: to be called before the loop serves.

        Raises:
            GatewayError: the folder cannot be written.
        """
        self._folder, self._writer = folder, writer
        self._threads = Threads(1, "usage", disk_errors)
        with disk_errors():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sealed = list(_left_behind(folder))
            self._segment = _begin(folder, writer, 1)

    def note(self, slot: UsageSlot, counts: UsageCounts) -> None:
        """Keep it."""
        segment = self._segment
        known = segment.counts.get(slot)
        segment.counts[slot] = known.plus(counts) if known else counts
        try:
            segment.file.write(b"\n" + _encode((slot, counts)))
        except (OSError, ValueError) as error:  # the disk is full, or the service has closed it
            if not segment.torn:
                segment.torn = True
                _log.warning("usage.not_journaled", error=str(error))

    async def sealed(self) -> Sequence[UsageBatch]:
        """What was noted up to now; of what could not be added for a while, all that was noted since is one batch."""
        if self._segment.counts and not any(it.writer == self._writer for it in self._sealed):
            number = self._segment.number + 1
            fresh = await self._threads.run(lambda: _begin(self._folder, self._writer, number))
            self._sealed.append(self._segment)
            self._segment = fresh
        return [it.batch for it in self._sealed]

    async def forget(self, batch: UsageBatch) -> None:
        """Remove its file."""
        for segment in [it for it in self._sealed if (it.writer, it.number) == (batch.writer, batch.number)]:
            await self._threads.run(segment.end)
            self._sealed.remove(segment)

    async def close(self) -> None:
        """Let go of the files."""
        await self._threads.close()
        if not self._segment.counts:
            await asyncio.to_thread(self._segment.end)
        for segment in (*self._sealed, self._segment):
            segment.file.close()


def _begin(folder: Path, writer: str, number: int) -> _Segment:
    path = folder / f"{writer}.{number:010}.jsonl"
    hidden = path.with_suffix(".new")  # until it is locked
    file = FileIO(hidden, "ab")
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    hidden.rename(path)
    return _Segment(writer, number, path, file)


def _left_behind(folder: Path) -> Iterator[_Segment]:
    """The files of processes that are gone, in their order."""
    for path in sorted(folder.glob("*.jsonl")):
        with suppress(FileNotFoundError, BlockingIOError):  # it has just been removed, or is at work
            file = FileIO(path, "rb")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                raise
            writer, number, _ = path.name.rsplit(".", 2)
            yield _Segment(writer, int(number), path, file, dict(added_up(_lines(file.readall()))))


def _lines(content: bytes) -> Iterator[tuple[UsageSlot, UsageCounts]]:
    for line in content.splitlines():
        try:
            yield _decode(line)
        except msgspec.MsgspecError:  # the first one, which is empty, or one that the disk had no room for
            continue
