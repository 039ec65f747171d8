"""What the checkpoints of both places claim, side by side, the smallest first."""

import asyncio
import math
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import aclosing, closing
from itertools import islice

from attrs import field, frozen

from ..domain.merkle import TreeHead
from .checkpoints import PAGE
from .log import Checkpoint, CheckpointStore, KeptIn, LogFault, Notes, SecondPlace

DATABASE: KeptIn = "database"
SECOND_PLACE: KeptIn = "second_place"
_UNSIGNED = "not signed by this gateway's key"


@frozen(kw_only=True)
class Claim:
    """What was signed of the log's first `size` events, by where it is kept; after a `fault` nothing follows."""

    size: int
    heads: Mapping[KeptIn, TreeHead] = field(factory=dict)
    checkpoint: Checkpoint | None = None
    fault: LogFault | None = None


@frozen(kw_only=True)
class Claims:
    """Reads both places."""

    store: CheckpointStore
    second_place: SecondPlace
    notes: Notes

    async def newest(self) -> float:
        """The size of the largest checkpoint in either place; infinite, if it cannot be told."""
        copy = await asyncio.to_thread(self.second_place.last)
        latest = await self.store.latest()
        head = await asyncio.to_thread(self._read, copy) if copy else TreeHead(0, b"")
        return max(latest.size if latest else 0, head.size if head else math.inf)

    async def upto(self, newest: float) -> AsyncGenerator[Claim, None]:
        """The claims about no more than so many events; those that were made meanwhile are left out."""
        async with aclosing(self._kept()) as database, aclosing(self._copied()) as second_place:
            kept, copy = await anext(database, None), await anext(second_place, None)
            while kept or copy:
                size = min(it.size for it in (kept, copy) if it)
                if size > newest:
                    return
                here = kept if kept and kept.size == size else None
                there = copy if copy and copy.size == size else None
                yield (claim := _side_by_side(size, here, there, ended=copy is None))
                if claim.fault:
                    return
                kept = await anext(database, None) if here else kept
                copy = await anext(second_place, None) if there else copy

    async def _kept(self) -> AsyncGenerator[Claim, None]:
        size = 0
        while page := await self.store.following(size, limit=PAGE):
            for it, head in zip(page, await asyncio.to_thread(self._read_all, page), strict=True):
                if head is None or head.size != it.size:
                    yield Claim(size=it.size, fault=_fault(f"is {_UNSIGNED}", it.size, DATABASE))
                else:
                    yield Claim(size=it.size, heads={DATABASE: head}, checkpoint=it)
            size = page[-1].size

    async def _copied(self) -> AsyncGenerator[Claim, None]:
        size = 0
        with closing(self._pages()) as pages:
            while page := await asyncio.to_thread(next, pages, ()):
                for head in page:
                    if head is None:
                        place = f"after that of {size} events" if size else "at its beginning"
                        what = f"has a note {place} that is {_UNSIGNED}"
                        yield Claim(size=size, fault=_fault(what, None, SECOND_PLACE))
                        return
                    if head.size <= size:
                        yield Claim(size=size, fault=_fault("is out of its order", head.size, SECOND_PLACE))
                        return
                    size = head.size
                    yield Claim(size=size, heads={SECOND_PLACE: head})

    def _pages(self) -> Generator[Sequence[TreeHead | None], None, None]:
        with closing(self.second_place.notes()) as notes:
            while page := [self._read(it) for it in islice(notes, PAGE)]:
                yield page

    def _read_all(self, page: Sequence[Checkpoint]) -> list[TreeHead | None]:
        return [self._read(it.note) for it in page]

    def _read(self, note: str) -> TreeHead | None:
        try:
            return self.notes.read(note)
        except ValueError:
            return None


def _side_by_side(size: int, here: Claim | None, there: Claim | None, *, ended: bool) -> Claim:
    """One claim of what the database and the second place say; the latter `ended` when it has no more notes."""
    fault = next((it.fault for it in (here, there) if it and it.fault), None)
    if fault is None and here is None:
        fault = _fault("is missing: the second place has it", size, DATABASE)
    if fault is None and there is None and not ended:
        fault = _fault("is missing: the database has it", size, SECOND_PLACE)
    return Claim(
        size=size,
        heads={where: head for it in (here, there) if it for where, head in it.heads.items()},
        checkpoint=here.checkpoint if here else None,
        fault=fault,
    )


def _fault(what: str, size: int | None, kept_in: KeptIn) -> LogFault:
    return LogFault(what=what, checkpoint=size, kept_in=kept_in)
