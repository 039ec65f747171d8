import asyncio

import pytest

from pluggably.application.deadlines import Deadlines


@pytest.fixture
def deadlines():
    deadlines = Deadlines()
    yield deadlines
    deadlines.close()


def nothing() -> asyncio.Future:
    """A future that does not come."""
    return asyncio.get_running_loop().create_future()


def soon() -> asyncio.Future:
    future = nothing()
    asyncio.get_running_loop().call_soon(future.set_result, "answer")
    return future


@pytest.fixture(params=["wait", "limit"])
def within(deadlines, request):
    return getattr(deadlines, request.param)


async def test_what_comes_in_time_is_given(within):
    assert await within(soon(), 60) == "answer"


async def test_what_does_not_come_in_time_is_a_timeout_and_no_cancellation(within):
    with pytest.raises(TimeoutError):
        await within(nothing(), 0.01)
    assert asyncio.current_task().cancelling() == 0
    await asyncio.sleep(0)


async def test_a_later_shorter_wait_ends_before_an_earlier_longer_one(within):
    longer = asyncio.create_task(within(nothing(), 60))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await within(nothing(), 0.01)
    assert not longer.done()
    longer.cancel()


async def test_every_wait_gets_its_own_deadline(within):
    waits = [within(nothing(), delay) for delay in (0.02, 0.01, 0.03)]
    outcomes = await asyncio.gather(*map(asyncio.create_task, waits), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [TimeoutError] * 3


async def test_cancelling_the_task_is_a_cancellation(within):
    task = asyncio.create_task(within(nothing(), 60))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_wait_may_follow_one_that_timed_out(within):
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await within(nothing(), 0.01)
    assert await within(soon(), 60) == "answer"


async def test_a_wait_for_a_future_may_be_within_a_limit(deadlines):
    with pytest.raises(TimeoutError):
        await deadlines.limit(deadlines.wait(nothing(), 60), 0.01)
    with pytest.raises(TimeoutError):
        await deadlines.limit(deadlines.wait(nothing(), 0.01), 60)
