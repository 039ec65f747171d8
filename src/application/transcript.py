"""What a job has given so far, numbered, for whoever follows it while it runs here."""

import asyncio
from bisect import bisect_right
from collections.abc import AsyncGenerator

from attrs import define, field, frozen

from ..domain.generation import Progress, TextDelta, ToolCallDelta
from .news import came

Piece = TextDelta | ToolCallDelta | Progress


@frozen
class Numbered:
    """A piece of a job and its number; the job's start has number 1."""

    sequence: int
    job_id: str
    piece: Piece


FIRST = 1
"""The number of a job's start."""


@define(eq=False)
class Transcript:
    """Grows until it is closed. Of progress that nothing else came after, only the latest is kept."""

    job_id: str
    sequence: int = field(init=False, default=FIRST)
    shared: int = field(init=False, default=FIRST)
    """The number up to which other processes can know it."""
    closed: bool = field(init=False, default=False)
    _pieces: list[Numbered] = field(init=False, factory=list)
    _news: asyncio.Event = field(init=False, factory=asyncio.Event)

    @property
    def progress(self) -> Progress | None:
        """How far the job has come, as it last said."""
        last = self._pieces[-1].piece if self._pieces else None
        return last if isinstance(last, Progress) else None

    def add(self, piece: Piece) -> None:
        """Take the next piece."""
        self.sequence += 1
        if isinstance(piece, Progress) and self.progress:
            self._pieces.pop()
        self._pieces.append(Numbered(self.sequence, self.job_id, piece))
        self._wake()

    def since(self, sequence: int) -> tuple[Numbered, ...]:
        """The pieces after that number which are there."""
        return tuple(self._pieces[bisect_right(self._pieces, sequence, key=lambda it: it.sequence) :])

    def close(self) -> None:
        """Nothing more comes."""
        self.closed = True
        self._wake()

    async def after(self, sequence: int, idle_s: float) -> AsyncGenerator[tuple[Numbered, ...], None]:
        """The pieces after that number as they come, those together that are there; none after `idle_s` without any."""
        while True:
            news = self._news
            if ready := self.since(sequence):
                sequence = ready[-1].sequence
                yield ready
            elif self.closed:
                return
            elif not await came(news, idle_s):
                yield ()

    def _wake(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
