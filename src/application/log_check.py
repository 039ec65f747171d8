"""The check of the whole log: every event, every session's chain, and every checkpoint in both places."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from attrs import define, evolve, field, frozen

from ..domain.merkle import CompactRange
from .claims import DATABASE, SECOND_PLACE, Claim, Claims
from .log import BrokenChain, EventLog, KeptIn, LogBatch, LogFault


@frozen(kw_only=True)
class LogExamination:
    """What a check of the log found, up to its `fault`; without one, the log is whole.

    `uncovered` events are newer than the last checkpoint: nothing but their sessions' chains vouches for them.
    `uncopied` checkpoints are newer than the last in the second place.
    """

    events: int = 0
    sessions: int = 0
    checkpoints: int = 0
    uncovered: int = 0
    uncopied: int = 0
    fault: LogFault | None = None


@define(kw_only=True)
class LogCheck:
    """Checks the log, for one caller at a time: it takes a core."""

    log: EventLog
    claims: Claims
    _alone: asyncio.Lock = field(init=False, factory=asyncio.Lock)

    async def verify(self) -> LogExamination:
        """Compute everything anew, from the log as it is now. A fault in an event counts before one in a checkpoint.

        Raises:
            NotFound: the sessions are kept without their bytes.
            GatewayError: the database or the second place cannot be read.
        """
        async with self._alone:
            newest = await self.claims.newest()  # first: what is claimed then, the log has later
            walk = _Walk()
            async with aclosing(self.claims.upto(newest)) as claims, aclosing(self.log.checked()) as batches:
                try:
                    await walk.through(batches, claims)
                except BrokenChain as broken:
                    return evolve(walk.found(), fault=broken.fault)
            return walk.found()


@define
class _Walk:
    """Goes along the log with the claims about it; `whole` is the size of the last that held."""

    tree: CompactRange = field(init=False, factory=CompactRange)
    place: int = field(init=False, default=0)
    events: int = field(init=False, default=0)
    sessions: int = field(init=False, default=0)
    checkpoints: int = field(init=False, default=0)
    uncopied: int = field(init=False, default=0)
    whole: int = field(init=False, default=0)
    fault: LogFault | None = field(init=False, default=None)

    async def through(self, batches: AsyncGenerator[LogBatch, None], claims: AsyncGenerator[Claim, None]) -> None:
        """To the end of the log; raises BrokenChain."""
        claim = await anext(claims, None)
        async for batch in batches:
            due = []
            while claim and claim.size <= self.events + len(batch.hashes):
                due.append(claim)
                claim = await anext(claims, None)
            await asyncio.to_thread(self._take, batch, due)
        if claim and self.fault is None:
            self.fault = claim.fault or LogFault(
                what=f"covers more events than there are: after {self.events} the log was cut off",
                checkpoint=claim.size,
                kept_in=next(iter(claim.heads)),
            )

    def found(self) -> LogExamination:
        """What was found on the way."""
        return LogExamination(
            events=self.events,
            sessions=self.sessions,
            checkpoints=self.checkpoints,
            uncovered=self.events - self.whole,
            uncopied=self.uncopied,
            fault=self.fault,
        )

    def _take(self, batch: LogBatch, due: Sequence[Claim]) -> None:
        begin = self.events
        for claim in due:
            self._go_on(batch, begin, claim.size)
            self.fault = self.fault or claim.fault or self._contradiction(claim)
            if self.fault:
                break
            self.whole, self.checkpoints = claim.size, self.checkpoints + 1
            self.uncopied += SECOND_PLACE not in claim.heads
        self._go_on(batch, begin, begin + len(batch.hashes))
        self.sessions += batch.begun

    def _go_on(self, batch: LogBatch, begin: int, size: int) -> None:
        """To the event after which the log has that size."""
        if self.events < size:
            self.tree = self.tree.extended(batch.hashes[self.events - begin : size - begin])
            self.place, self.events = batch.places[size - begin - 1], size

    def _contradiction(self, claim: Claim) -> LogFault | None:
        for kept_in, head in claim.heads.items():
            if head != self.tree.head():
                span = (
                    f"of the events from {self.whole + 1} to {claim.size}, some were changed, dropped, added or moved"
                )
                return _fault(f"says another history than the log tells: {span}", claim, kept_in)
        kept = claim.checkpoint
        if kept and (kept.place, kept.subtrees) != (self.place, self.tree.to_bytes()):
            return _fault("has another end, or other subtrees, than the log has there", claim, DATABASE)
        return None


def _fault(what: str, claim: Claim, kept_in: KeptIn) -> LogFault:
    return LogFault(what=what, checkpoint=claim.size, kept_in=kept_in)
