"""The service makes checkpoints from its start to its end, whatever becomes of one of them."""

import asyncio

import pytest

from pluggably.domain.errors import GatewayError
from pluggably.entrypoints.upkeep.checkpoints import RegularCheckpoints

NEVER_S = 3_600


class Rounds:
    """Stands for the use case: every attempt to make a checkpoint is counted, and ends as `outcomes` say."""

    def __init__(self, *outcomes: Exception) -> None:
        self.outcomes, self.begun, self.changed = list(outcomes), 0, asyncio.Condition()
        self.gate = asyncio.Event()
        self.gate.set()

    async def make(self) -> None:
        async with self.changed:
            self.begun += 1
            self.changed.notify_all()
        await self.gate.wait()
        if self.outcomes:
            raise self.outcomes.pop(0)

    async def until(self, times: int) -> None:
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: self.begun >= times), 10)


async def test_one_is_made_at_the_start_and_one_at_the_end():
    rounds = Rounds()
    async with RegularCheckpoints(rounds).being_made(NEVER_S):
        await rounds.until(1)
    assert rounds.begun == 2


async def test_the_start_does_not_wait_for_it_and_the_end_makes_it():
    rounds = Rounds()
    rounds.gate.clear()
    async with RegularCheckpoints(rounds).being_made(NEVER_S):
        await rounds.until(1)
        rounds.gate.set()
    assert rounds.begun == 2


@pytest.mark.parametrize("error", [GatewayError(detail="The database is away."), RuntimeError("a bug")])
async def test_one_that_fails_is_tried_again(error):
    rounds = Rounds(error, error)
    async with RegularCheckpoints(rounds).being_made(0.001):
        await rounds.until(4)


async def test_one_that_fails_at_the_end_does_not_keep_the_service_from_ending():
    rounds = Rounds(*[GatewayError(detail="The disk is full.")] * 2)
    async with RegularCheckpoints(rounds).being_made(NEVER_S):
        await rounds.until(1)
    assert rounds.begun == 2
