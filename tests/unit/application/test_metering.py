"""Who has limits is at work for as long as they are served, and no longer."""

import asyncio
from contextlib import suppress

import pytest
from attrs import define

from pluggably.adapters.memory.access import MemoryMeter
from pluggably.adapters.system import now
from pluggably.application.metering import Metering
from pluggably.domain.access import Limits, Principal
from pluggably.domain.errors import RateLimited

ONE = Principal(id="ada", method="test", limits=Limits(concurrent=1, tokens_per_minute=100), account="a")


@define
class Asked:
    """As much of a running generation as is metered."""

    id: str
    principal: Principal = ONE
    tokens: int = 0


class SlowMeter(MemoryMeter):
    """Lets in at once, and says so when `gate` is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.entered = asyncio.Event(), asyncio.Event()

    async def enter(self, account, limits, ticket, at) -> None:
        await super().enter(account, limits, ticket, at)
        self.entered.set()
        await self.gate.wait()


@pytest.fixture
def meter():
    return SlowMeter()


@pytest.fixture
def metering(meter):
    return Metering(meter=meter, clock=now)


async def test_whoever_leaves_while_they_are_let_in_is_not_at_work(metering, meter):
    async def ask() -> None:
        async with metering.admitted(Asked("gen_1")):
            raise AssertionError("it was cancelled")

    asking = asyncio.create_task(ask())
    await meter.entered.wait()
    asking.cancel()
    meter.gate.set()
    with suppress(asyncio.CancelledError):
        await asking
    async with metering.admitted(Asked("gen_2")):
        with pytest.raises(RateLimited):
            async with metering.admitted(Asked("gen_3")):
                pass


async def test_what_failed_has_left_with_what_it_took(metering, meter):
    meter.gate.set()
    with pytest.raises(ValueError, match="broken"):
        async with metering.admitted(asked := Asked("gen_1")):
            asked.tokens = 100
            raise ValueError("broken")
    with pytest.raises(RateLimited, match="tokens"):
        async with metering.admitted(Asked("gen_2")):
            pass


async def test_who_has_no_limits_is_not_counted(metering, meter):
    free = Principal(id="eve", method="test", account="b")
    async with metering.admitted(Asked("gen_1", free)):
        assert not meter.entered.is_set()
