"""How tasks are waited for; the pauses are none here, so that nothing depends on a clock."""

import pytest

from pluggably.adapters.providers.tasks import Pace, TaskGone, TaskStatus, followed
from pluggably.domain import errors

AT_ONCE = Pace(first_s=0, longest_s=0)
DONE = TaskStatus(percent=100, done=True)


async def outcome(*script, pace=AT_ONCE) -> tuple[list[int], Exception | None, int]:
    """The percents that were told, the error, and the number of looks; what a script ends with is there for good."""
    looks = 0

    async def look() -> TaskStatus:
        nonlocal looks
        looks += 1
        found = script[min(looks, len(script)) - 1]
        if isinstance(found, Exception):
            raise found
        return found

    told = []
    try:
        async for status in followed(look, pace, "acme"):
            told.append(status.percent)
    except errors.GatewayError as error:
        return told, error, looks
    return told, None, looks


def at(percent: int) -> TaskStatus:
    return TaskStatus(percent=percent)


async def test_what_is_new_is_told_until_it_is_done():
    assert await outcome(at(0), at(10), at(10), at(60), DONE) == ([10, 60, 100], None, 5)


async def test_looks_that_fail_for_a_while_are_repeated():
    failures = [errors.ProviderUnavailable(), errors.ProviderUnreachable(), errors.ProviderRateLimited()]
    assert await outcome(at(10), *failures, at(20), *failures, DONE) == ([10, 20, 100], None, 9)


async def test_looks_that_always_fail_end_it():
    told, error, looks = await outcome(at(10), errors.ProviderUnavailable())
    assert (told, type(error), looks) == ([10], errors.ProviderUnavailable, 1 + 6)


@pytest.mark.parametrize("error", [errors.ProviderAuthFailed(), TaskGone(), errors.InvalidRequest()])
async def test_a_look_that_cannot_succeed_later_is_not_repeated(error):
    assert await outcome(at(10), error) == ([10], error, 2)


async def test_the_last_status_of_a_task_that_failed_is_its_failure():
    assert await outcome(at(10), TaskStatus(percent=40, failure=errors.ProviderError())) == ([10, 40], None, 2)


async def test_a_task_that_stands_still_is_given_up():
    told, error, _ = await outcome(at(99), pace=Pace(first_s=0, longest_s=0, stalled_s=0))
    assert (told, type(error)) == ([99], errors.ProviderTimeout)
    assert "99 %" in str(error)


async def test_a_task_that_waits_for_its_turn_does_not_stand_still():
    told, error, _ = await outcome(at(0), at(0), at(0), DONE, pace=Pace(first_s=0, longest_s=0, stalled_s=0))
    assert (told, error) == ([100], None)


async def test_a_task_that_is_not_done_in_time_is_given_up():
    _, error, looks = await outcome(at(0), pace=Pace(first_s=0, deadline_s=0))
    assert (type(error), looks) == (errors.ProviderTimeout, 1)
