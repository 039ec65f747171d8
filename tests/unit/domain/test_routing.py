"""The rules of routing: pauses, and when a model is left in peace."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain import errors
from pluggably.domain.routing import (
    BreakerPolicy,
    Health,
    RetryPolicy,
    may_be_tried_again,
    tells_of_health,
)

BREAKER = BreakerPolicy(failures=3, cooldown_s=30)
DOWN = errors.ProviderUnavailable()


def _failed(times: int, at: float = 0) -> Health:
    health = Health()
    for _ in range(times):
        health = health.failed(BREAKER, DOWN, at)
    return health


@given(st.integers(0, 50), st.floats(0, 1))
def test_a_pause_is_never_longer_than_the_longest(retries, chance):
    policy = RetryPolicy(first_pause_s=0.25, longest_pause_s=8)
    assert 0 <= policy.pause_s(retries, chance) <= min(8, 0.25 * 2**retries)


def test_a_few_failures_are_bad_luck():
    assert _failed(2).rests_until < 0


def test_many_in_a_row_are_left_in_peace_and_ever_longer():
    assert [_failed(times).rests_until for times in range(3, 10)] == [30, 60, 120, 240, 480, 480, 480]


def test_after_the_cooldown_it_is_asked_once():
    health = _failed(3)
    assert health.asked(BREAKER, 30).rests_until == 60
    assert _failed(2).asked(BREAKER, 30) == _failed(2)


def test_who_asks_too_much_is_told_when_to_come_again():
    limited = Health().failed(BREAKER, errors.ProviderRateLimited(retry_after_s=7), 100)
    assert (limited.rests_until, limited.limited, limited.failures) == (107, True, 0)
    assert Health().failed(BREAKER, errors.ProviderRateLimited(), 100).rests_until == 100


@pytest.mark.parametrize(
    ("error", "again", "tells"),
    [
        (errors.ProviderError, True, True),
        (errors.ProviderUnavailable, True, True),
        (errors.ProviderOverloaded, True, True),
        (errors.ProviderUnreachable, True, True),
        (errors.ProviderTimeout, True, True),
        (errors.ProviderBadResponse, True, True),
        (errors.ProviderRateLimited, True, True),
        (errors.ProviderAuthFailed, False, True),
        (errors.ProviderQuotaExhausted, False, True),
        (errors.StreamInterrupted, False, False),
        (errors.ContentPolicyViolation, False, False),
        (errors.ContextLengthExceeded, False, False),
        (errors.InvalidRequest, False, False),
        (errors.Overloaded, False, False),
        (errors.RunnerCrashed, False, False),
        (errors.RunnerOutOfMemory, False, False),
        (errors.StateTokenRefused, False, False),
    ],
)
def test_what_is_tried_again_and_what_tells_of_health(error, again, tells):
    assert (may_be_tried_again(error()), tells_of_health(error())) == (again, tells)
