"""Keys: who is believed that shows a secret, and until when."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.api_key import SECRET, ApiKey, digest_of, secret_of
from pluggably.entrypoints.composition.access import new_secret
from tests.session_builders import NOON

MOMENTS = st.integers(0, 100).map(lambda seconds: NOON + timedelta(seconds=seconds))
SPANS = st.integers(0, 50).map(lambda seconds: timedelta(seconds=seconds))


def a_key(**facts) -> ApiKey:
    ordinary = {"name": "a", "owner": "ada", "scopes": frozenset(), "secrets": (secret_of("first"),)}
    return ApiKey(id="key_1", created_at=NOON, **(ordinary | facts))


def is_good(key: ApiKey, secret: str, at) -> bool:
    return key.is_good(digest_of(secret), at)


def test_a_secret_is_known_by_its_form_and_never_twice_the_same():
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(SECRET.fullmatch(it) for it in made)


@pytest.mark.parametrize(
    "form", ["plk_", "plk_" + "x" * 42, "plk_" + "x" * 44, "PLK_" + "x" * 43, "plk_" + "x" * 43 + "\n"]
)
def test_nothing_else_is_taken_for_one(form):
    assert not SECRET.fullmatch(form)


def test_nothing_that_is_kept_has_the_secret():
    secret = new_secret()
    assert secret not in repr(a_key(secrets=(secret_of(secret),)))


@given(st.lists(st.tuples(MOMENTS, SPANS), max_size=5), MOMENTS)
def test_however_often_it_is_changed_the_newest_secret_is_good_and_each_other_for_its_overlap(turns, at):
    key, ends = a_key(), {"first": None}
    for number, (moment, overlap) in enumerate(sorted(turns)):
        key = key.rotated(secret_of(f"s{number}"), moment, overlap)
        end = moment + overlap
        ends = {name: end if it is None else min(it, end) for name, it in ends.items()} | {f"s{number}": None}
    latest = max((moment for moment, _ in turns), default=NOON)
    if at >= latest:
        for name, end in ends.items():
            assert is_good(key, name, at) == (end is None or at < end), name
    assert not is_good(key, "never", at)


@given(MOMENTS, MOMENTS)
def test_once_revoked_it_is_good_for_nothing_and_the_first_time_counts(first, second):
    key = a_key().revoked(first)
    assert not is_good(key, "first", second)
    assert key.revoked(second).revoked_at == first


def test_it_ends_at_its_end():
    key = a_key(expires_at=NOON + timedelta(seconds=1))
    assert is_good(key, "first", NOON + timedelta(seconds=0.9))
    assert not is_good(key, "first", NOON + timedelta(seconds=1))
