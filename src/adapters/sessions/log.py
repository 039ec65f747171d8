"""The log of all events, read in pieces, and the checkpoints that are kept beside it.

A piece is bounded by the number of its events and by their bytes, so that neither a long log nor long events fill the
memory. No transaction stays open between pieces: the end of the log and the list are read first, at one moment, and
what stands before that end is never changed again.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from typing import Protocol, TypeVar

from attrs import frozen

from ...application.log import Checkpoint, LogBatch
from ...domain.errors import GatewayError
from .chains import Chains, End, LoggedEvent
from .list_row import from_microseconds, microseconds

T = TypeVar("T")

PIECE_EVENTS = 2_000
PIECE_BYTES = 16 * 2**20
_LARGEST = 2**63 - 1


@frozen
class LogEnd:
    """Where the log ended, and the ends of all sessions as the list had them at that moment."""

    place: int
    listed: Mapping[str, End]


CheckpointRow = tuple[int, int, bytes, str, int]
"""Its size, place, subtrees and note, and when it was made, in microseconds since 1970."""


class LogRecorder(Protocol):
    """What the log asks of a database. Blocking, for several threads; raises as `SessionRecorder`."""

    def end(self) -> LogEnd:
        """The end as it is now."""
        ...

    def events(self, after: int, upto: int) -> Sequence[LoggedEvent]:
        """The next piece of the log; at least one event, if there is one."""
        ...

    def hashes(self, after: int) -> Sequence[tuple[int, bytes]]:
        """The places and the first 32 bytes of the next `PIECE_EVENTS` events."""
        ...

    def add_checkpoint(self, row: CheckpointRow) -> bool:
        """Keep one, unless one is there that is as large; whoever sees one sees all that are smaller."""
        ...

    def checkpoints_above(self, size: int, limit: int) -> Sequence[CheckpointRow]:
        """The next larger ones, the smallest first."""
        ...

    def checkpoints_below(self, size: int, limit: int) -> Sequence[CheckpointRow]:
        """The next smaller ones, the largest first."""
        ...


class Run(Protocol):
    """Runs what blocks on a thread of the store."""

    async def __call__(self, work: Callable[[], T]) -> T:
        """What it returned; raises errors of the domain."""
        ...


class SessionLog:
    """Implements `EventLog` and `CheckpointStore`."""

    def __init__(self, recorder: LogRecorder, run: Run) -> None:
        """`recorder` works on the database of the sessions."""
        self._recorder, self._run = recorder, run

    async def hashes(self, *, after: int) -> AsyncGenerator[LogBatch, None]:
        """The hashes that the events were stored with."""
        while piece := await self._run(partial(self._recorder.hashes, after)):
            yield LogBatch(places=[place for place, _ in piece], hashes=[it for _, it in piece])
            after = piece[-1][0]

    async def checked(self) -> AsyncGenerator[LogBatch, None]:
        """The log as it is now, every event of it checked."""
        end, chains, after = await self._run(self._recorder.end), Chains(), 0
        while batch := await self._run(partial(self._next, chains, after, end.place)):
            yield batch
            after = batch.places[-1]
        chains.expect(end.listed)

    def _next(self, chains: Chains, after: int, upto: int) -> LogBatch | None:
        events = self._recorder.events(after, upto)
        return chains.follow(events) if events else None

    async def latest(self) -> Checkpoint | None:
        """The largest checkpoint."""
        for checkpoint in await self.preceding(None, limit=1):
            return checkpoint
        return None

    async def add(self, checkpoint: Checkpoint) -> bool:
        """Keep a checkpoint, unless one is there that is as large."""
        row = (
            checkpoint.size,
            checkpoint.place,
            checkpoint.subtrees,
            checkpoint.note,
            microseconds(checkpoint.made_at),
        )
        return await self._run(lambda: self._recorder.add_checkpoint(row))

    async def following(self, size: int, *, limit: int) -> Sequence[Checkpoint]:
        """The next larger ones."""
        return _checkpoints(await self._run(lambda: self._recorder.checkpoints_above(size, limit)))

    async def preceding(self, size: int | None, *, limit: int) -> Sequence[Checkpoint]:
        """The next smaller ones."""
        below = _LARGEST if size is None else size
        return _checkpoints(await self._run(lambda: self._recorder.checkpoints_below(below, limit)))


def _checkpoints(rows: Sequence[CheckpointRow]) -> list[Checkpoint]:
    return [_checkpoint(*row) for row in rows]


def _checkpoint(size: int, place: int, subtrees: bytes, note: str, made_at: int) -> Checkpoint:
    try:
        moment = from_microseconds(made_at)
    except OverflowError as exc:
        raise GatewayError(
            detail=f"The checkpoint of {size} events was made at no possible time: it was altered."
        ) from exc
    return Checkpoint(size=size, place=place, subtrees=subtrees, note=note, made_at=moment)
