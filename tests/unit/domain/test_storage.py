"""Which models go when the disk is too small: never too few, never one that has to stay, never one too many."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.storage import Disk, EvictionReason, StoragePolicy, StoredModel, plan_eviction
from tests.session_builders import NOON

HOURS = st.integers(0, 10_000).map(lambda hours: NOON - timedelta(hours=hours))
MODELS = st.lists(
    st.builds(
        StoredModel,
        id=st.uuids().map(str),
        size_bytes=st.integers(0, 100),
        last_used_at=HOURS,
        pinned=st.booleans(),
        busy=st.booleans(),
    ),
    max_size=10,
    unique_by=lambda it: it.id,
)
POLICIES = st.builds(
    StoragePolicy,
    max_bytes=st.none() | st.integers(0, 500),
    min_free_bytes=st.integers(0, 200),
    keep_unused=st.none() | st.integers(0, 400).map(lambda days: timedelta(days=days)),
)
DISKS = st.builds(
    Disk, free_bytes=st.integers(0, 400), other_bytes=st.integers(0, 50), reserved_bytes=st.integers(0, 50)
)


def a_stored(id_="a", size_bytes=10, days=1, **facts):
    return StoredModel(id=id_, size_bytes=size_bytes, last_used_at=NOON - timedelta(days=days), **facts)


def overdraft(policy, models, disk, needed, gone=()):
    """By how much the limits are exceeded when those models are gone."""
    freed = sum(it.size_bytes for it in gone)
    coming = disk.reserved_bytes + needed
    over = [policy.min_free_bytes + coming - disk.free_bytes - freed]
    if policy.max_bytes is not None:
        stored = sum(it.size_bytes for it in models) - freed
        over.append(stored + disk.other_bytes + coming - policy.max_bytes)
    return max(0, *over)


@given(POLICIES, MODELS, DISKS, st.integers(0, 200))
def test_every_limit_holds_afterwards_or_all_that_may_go_is_gone(policy, models, disk, needed):
    plan = plan_eviction(policy, models, disk, at=NOON, needed_bytes=needed)
    gone = [it.model for it in plan.evictions]
    assert plan.lacking_bytes == overdraft(policy, models, disk, needed, gone)
    if plan.lacking_bytes:
        assert {it.id for it in gone if it.size_bytes} == {it.id for it in models if it.may_go and it.size_bytes}


@given(POLICIES, MODELS, DISKS, st.integers(0, 200))
def test_what_is_pinned_or_busy_never_goes(policy, models, disk, needed):
    plan = plan_eviction(policy, models, disk, at=NOON, needed_bytes=needed)
    assert not [it for it in plan.evictions if it.model.pinned or it.model.busy]


@given(POLICIES, MODELS, DISKS, st.integers(0, 200))
def test_none_that_goes_for_a_limit_could_stay(policy, models, disk, needed):
    plan = plan_eviction(policy, models, disk, at=NOON, needed_bytes=needed)
    gone = [it.model for it in plan.evictions]
    for it in plan.evictions:
        if it.reason is not EvictionReason.UNUSED:
            rest = [other for other in gone if other is not it.model]
            assert overdraft(policy, models, disk, needed, rest) > plan.lacking_bytes


@given(MODELS, st.integers(1, 400))
def test_exactly_what_was_not_used_for_long_goes_by_retention(models, days):
    keep = timedelta(days=days)
    plan = plan_eviction(StoragePolicy(keep_unused=keep), models, Disk(free_bytes=10**9), at=NOON)
    assert {it.model.id for it in plan.evictions} == {
        it.id for it in models if it.may_go and it.last_used_at <= NOON - keep
    }


@given(MODELS, DISKS)
def test_without_a_policy_nothing_goes(models, disk):
    plan = plan_eviction(StoragePolicy(), models, Disk(free_bytes=10**9), at=NOON)
    assert plan.evictions == ()


def test_the_least_recently_used_goes_first_and_says_why():
    models = [a_stored("new", days=1), a_stored("old", days=9), a_stored("middle", days=5)]
    plan = plan_eviction(StoragePolicy(max_bytes=15), models, Disk(free_bytes=100), at=NOON)
    assert [(it.model.id, it.reason) for it in plan.evictions] == [("old", "max_bytes"), ("middle", "max_bytes")]
    assert (plan.freed_bytes, plan.lacking_bytes) == (20, 0)


def test_a_small_one_stays_when_a_large_one_has_to_go_anyhow():
    models = [a_stored("small", 1, days=9), a_stored("large", 50, days=5), a_stored("last", 1, days=1)]
    plan = plan_eviction(StoragePolicy(max_bytes=10), models, Disk(free_bytes=100), at=NOON)
    assert [it.model.id for it in plan.evictions] == ["large"]


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (StoragePolicy(max_bytes=100, min_free_bytes=95), EvictionReason.MIN_FREE),
        (StoragePolicy(max_bytes=3, min_free_bytes=91), EvictionReason.MAX_BYTES),
    ],
)
def test_the_reason_is_the_limit_that_lacks_most(policy, reason):
    plan = plan_eviction(policy, [a_stored()], Disk(free_bytes=90), at=NOON)
    assert [it.reason for it in plan.evictions] == [reason]


def test_what_downloads_were_promised_counts_as_taken():
    disk = Disk(free_bytes=1_000, other_bytes=5, reserved_bytes=20)
    assert plan_eviction(StoragePolicy(max_bytes=34), [a_stored()], disk, at=NOON).evictions
    assert not plan_eviction(StoragePolicy(max_bytes=35), [a_stored()], disk, at=NOON).evictions
    assert plan_eviction(StoragePolicy(max_bytes=35), [a_stored()], disk, at=NOON, needed_bytes=1).evictions
