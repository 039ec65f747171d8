"""What every `Meter` promises; a test module per adapter subclasses this and provides the fixture `meter`."""

import asyncio
from datetime import timedelta

import pytest

from pluggably.application.access_ports import Meter
from pluggably.domain.access import Limits
from pluggably.domain.errors import RateLimited
from tests.session_builders import NOON as SOME_TIME

NOON = SOME_TIME.replace(second=0, microsecond=0)
NEXT_MINUTE = NOON + timedelta(minutes=1)


class MeterContract:
    """Fixtures to provide: `meter`, closed afterwards."""

    @pytest.fixture
    def meter(self) -> Meter:
        raise NotImplementedError

    async def refused(self, meter: Meter, limits: Limits, at=NOON, account="a", ticket="t_more") -> float:
        with pytest.raises(RateLimited) as refused:
            await meter.enter(account, limits, ticket, at)
        return refused.value.retry_after_s

    async def test_so_many_requests_a_minute_and_no_more(self, meter):
        limits, at = Limits(requests_per_minute=3), NOON + timedelta(seconds=20)
        for number in range(3):
            await meter.enter("a", limits, f"t_{number}", at)
            await meter.leave("a", limits, f"t_{number}", at, tokens=10)
        assert await self.refused(meter, limits, at) == 40
        await meter.enter("b", limits, "t_b", at)
        await meter.enter("a", limits, "t_next", NEXT_MINUTE)

    async def test_tokens_count_in_the_minute_that_their_request_ended(self, meter):
        limits = Limits(tokens_per_minute=10)
        await meter.enter("a", limits, "t_1", NOON)
        await meter.leave("a", limits, "t_1", NOON, tokens=9)
        await meter.enter("a", limits, "t_2", NOON)
        await meter.leave("a", limits, "t_2", NEXT_MINUTE, tokens=30)
        await self.refused(meter, limits, NEXT_MINUTE)
        await meter.enter("a", limits, "t_3", NEXT_MINUTE + timedelta(minutes=1))

    async def test_so_many_at_once_and_no_more(self, meter):
        limits = Limits(concurrent=2)
        for ticket in ("t_1", "t_2"):
            await meter.enter("a", limits, ticket, NOON)
        assert await self.refused(meter, limits) == 1
        await meter.leave("a", limits, "t_1", NOON, tokens=0)
        await meter.enter("a", limits, "t_3", NOON)
        await self.refused(meter, limits)

    async def test_what_was_refused_counts_nothing(self, meter):
        limits = Limits(requests_per_minute=2, concurrent=1)
        await meter.enter("a", limits, "t_1", NOON)
        await self.refused(meter, limits)
        await meter.leave("a", limits, "t_1", NOON, tokens=0)
        await meter.enter("a", limits, "t_2", NOON)

    async def test_who_comes_again_is_the_same_request(self, meter):
        limits = Limits(requests_per_minute=1, concurrent=1, tokens_per_minute=20)
        for tokens in (4, 5):
            await meter.enter("a", limits, "t_1", NOON)
            await meter.leave("a", limits, "t_1", NOON, tokens=tokens)
        await self.refused(meter, limits)
        await meter.enter("a", limits, "t_1", NOON)
        await meter.leave("a", limits, "t_1", NOON, tokens=11)
        await self.refused(meter, limits, ticket="t_1")

    async def test_who_leaves_without_having_entered_has_taken_what_it_took(self, meter):
        limits = Limits(tokens_per_minute=10)
        await meter.leave("a", limits, "t_1", NOON, tokens=10)
        await self.refused(meter, limits)
        await meter.enter("a", limits, "t_2", NEXT_MINUTE)

    async def test_all_who_come_at_once_are_counted(self, meter):
        limits = Limits(requests_per_minute=5)

        async def enter(number: int) -> bool:
            try:
                await meter.enter("a", limits, f"t_{number}", NOON)
            except RateLimited:
                return False
            return True

        assert sum(await asyncio.gather(*(enter(number) for number in range(12)))) == 5
