"""The log: every event of every session, in the order in which they were stored; and what is signed of it."""

from collections.abc import AsyncGenerator, Generator, Sequence
from datetime import datetime
from typing import Literal, Protocol

from attrs import frozen

from ..domain.merkle import TreeHead

KeptIn = Literal["database", "second_place"]


@frozen(kw_only=True)
class LogBatch:
    """Events that follow one another in the log: where each of them stands, and its hash, 32 bytes.

    Places grow along the log and may leave some out. `begun`: so many of the events are the first of their session;
    only `checked` counts them.
    """

    places: Sequence[int]
    hashes: Sequence[bytes]
    begun: int = 0


@frozen(kw_only=True)
class Checkpoint:
    """What was signed of the first `size` events, of which the last stands at `place`.

    `note` is the signed text; `subtrees` is what a tree of that size goes on from.
    """

    size: int
    place: int
    subtrees: bytes
    note: str
    made_at: datetime


@frozen(kw_only=True)
class LogFault:
    """The first thing wrong with the log.

    If it is in an event: its session, its version, and its `position` in the log, which counts from 1 (None where the
    end of a session is missing). If it is in a checkpoint: how many events that is of, if it can be told, and where it
    is kept.
    """

    what: str
    session_id: str | None = None
    version: int | None = None
    position: int | None = None
    checkpoint: int | None = None
    kept_in: KeptIn | None = None


class BrokenChain(Exception):
    """An event is not what was recorded."""

    def __init__(self, fault: LogFault) -> None:
        super().__init__(fault.what)
        self.fault = fault


class EventLog(Protocol):
    """Reads the log."""

    def hashes(self, *, after: int) -> AsyncGenerator[LogBatch, None]:
        """The hashes that the events after that place were stored with, up to the last that there is."""
        ...

    def checked(self) -> AsyncGenerator[LogBatch, None]:
        """The log as it is now: every hash computed anew, every session's chain followed to its end.

        Raises:
            BrokenChain: an event is not what was recorded; those in the batches before it are.
            NotFound: the sessions are kept without their bytes.
        """
        ...


class CheckpointStore(Protocol):
    """The checkpoints beside the log."""

    async def latest(self) -> Checkpoint | None:
        """The largest one."""
        ...

    async def add(self, checkpoint: Checkpoint) -> bool:
        """Keep one, durably; not if one is there that is as large, so that they are stored in the order of their sizes.

        Returns:
            Whether it is kept.
        """
        ...

    async def following(self, size: int, *, limit: int) -> Sequence[Checkpoint]:
        """The next larger ones, the smallest first."""
        ...

    async def preceding(self, size: int | None, *, limit: int) -> Sequence[Checkpoint]:
        """The next smaller ones, the largest first; without `size`, from the latest on."""
        ...


class SecondPlace(Protocol):
    """Where each note is kept once more. Blocking; raises GatewayError if it cannot be read or written."""

    def last(self) -> str | None:
        """The newest note."""
        ...

    def notes(self) -> Generator[str, None, None]:
        """All of them, the oldest first."""
        ...

    def append(self, notes: Sequence[str]) -> None:
        """Add notes durably, the smallest first; those that another process has added meanwhile are left out."""


class Notes(Protocol):
    """Signs what the log was. Blocking: it may make its key at the first use."""

    def sign(self, head: TreeHead) -> str:
        """The signed text."""
        ...

    def read(self, note: str) -> TreeHead:
        """What was signed; raises ValueError if it is no such text, or not signed by this key."""
        ...
