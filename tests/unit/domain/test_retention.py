"""What is due to be let go of, and since when."""

from datetime import timedelta

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.retention import Disposal, Due, Reason, RetainedSession, RetentionPolicy, due

from ...session_builders import NOON, at

DAYS = st.integers(0, 36_500)
POLICIES = st.builds(RetentionPolicy, audit_days=st.none() | DAYS, token_days=DAYS)
MOMENTS = st.datetimes(min_value=at(-1e9).replace(tzinfo=None), max_value=at(1e9).replace(tzinfo=None)).map(
    lambda it: it.replace(tzinfo=NOON.tzinfo)
)
SESSIONS = st.builds(
    RetainedSession,
    id=st.just("ses_a"),
    owner=st.just("alice"),
    closed_at=st.none() | MOMENTS,
    first_expiry=st.none() | MOMENTS,
)
TICK = timedelta(microseconds=1)


def a_retained_session(**facts) -> RetainedSession:
    return RetainedSession(id="ses_a", owner="alice", **facts)


def days(count: int):
    return NOON + timedelta(days=count)


def test_a_closed_session_is_erased_after_half_a_year_by_default():
    closed = a_retained_session(closed_at=NOON)
    assert due(closed, RetentionPolicy(), at=days(184) - TICK) is None
    erased = Due(session_id="ses_a", what=Disposal.SESSION, since=days(184), reason=Reason.AUDIT_DAYS)
    assert due(closed, RetentionPolicy(), at=days(184)) == due(closed, RetentionPolicy(), at=days(999)) == erased


def test_its_tokens_can_go_before_it():
    closed, policy = a_retained_session(closed_at=NOON, first_expiry=at(1)), RetentionPolicy(token_days=7)
    assert due(closed, policy, at=days(7) - TICK) is None
    tokens = Due(session_id="ses_a", what=Disposal.STATE_TOKENS, since=days(7), reason=Reason.TOKEN_DAYS)
    assert due(closed, policy, at=days(7)) == tokens
    assert due(evolve(closed, first_expiry=None), policy, at=days(7)) is None


def test_sessions_can_be_kept_for_ever_and_their_tokens_not():
    closed, policy = a_retained_session(closed_at=NOON, first_expiry=at(1)), RetentionPolicy(audit_days=None)
    assert due(closed, policy, at=days(30_000)).reason is Reason.TOKEN_DAYS
    assert due(evolve(closed, first_expiry=None), policy, at=days(30_000)) is None


def test_an_open_session_is_never_erased_and_loses_what_has_expired():
    session = a_retained_session(first_expiry=at(60))
    assert due(session, RetentionPolicy(audit_days=0), at=at(60) - TICK) is None
    expired = Due(session_id="ses_a", what=Disposal.STATE_TOKENS, since=at(60), reason=Reason.EXPIRED)
    assert due(session, RetentionPolicy(audit_days=0), at=at(60)) == expired
    assert due(a_retained_session(), RetentionPolicy(audit_days=0), at=days(30_000)) is None


@given(session=SESSIONS, policy=POLICIES, moment=MOMENTS)
def test_nothing_is_due_of_a_session_that_is_held(session, policy, moment):
    assert due(evolve(session, held=True), policy, at=moment) is None


@given(session=SESSIONS, policy=POLICIES, moment=MOMENTS)
def test_what_is_due_is_so_exactly_from_then_on(session, policy, moment):
    found = due(session, policy, at=moment)
    if found is not None:
        assert found.since <= moment
        assert due(session, policy, at=found.since) is not None
        assert due(session, policy, at=moment + timedelta(days=1)) is not None
        assert due(session, policy, at=found.since - TICK) != found


@given(session=SESSIONS, policy=POLICIES, moment=MOMENTS)
def test_keeping_sessions_longer_makes_nothing_due(session, policy, moment):
    longer = RetentionPolicy(
        audit_days=None if policy.audit_days is None else policy.audit_days + 1, token_days=policy.token_days + 1
    )
    if due(session, longer, at=moment):
        assert due(session, policy, at=moment)
