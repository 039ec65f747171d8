"""What every `RetentionStore` promises; those who keep the contract of `SessionStore` keep this one beside it."""

from datetime import datetime, timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pluggably.application.ports import SessionQuery
from pluggably.domain.retention import RetainedSession, RetentionPolicy, due
from pluggably.domain.session import Session, archive, close, erase, hold, release

from ..session_builders import ALICE, NOON, answer, ask, at
from .session_store import _NUMBERS, _ON_ONE_STORE, a_state, a_stored_session

POLICY = RetentionPolicy(audit_days=10, token_days=5)
TICK = timedelta(microseconds=1)


def day(count: float) -> datetime:
    return NOON + timedelta(days=count)


async def with_token(store, session: Session, expires_at: datetime) -> Session:
    """After one more turn, which has a state token."""
    session = await store.append(session, ask(session), ALICE)
    held = a_state(session, f"st_{session.id}_{len(session.turns)}", expires_at=expires_at)
    return await store.append(session, answer(session), ALICE, state=held)


async def ids(store, policy: RetentionPolicy, moment: datetime, limit: int = 100, after: str = "") -> list[str]:
    return [it.id for it in await store.overdue(policy, moment, limit=limit, after=after)]


class RetentionStoreContract:
    """The fixture to provide is `store`, empty and open."""

    async def test_closed_and_archived_sessions_are_overdue_from_the_moment_on(self, store):
        closed, archived = await a_stored_session(store, "ses_c"), await a_stored_session(store, "ses_a")
        await store.append(closed, close(closed, at=NOON), ALICE)
        await store.append(archived, archive(archived, at=NOON), ALICE)
        await a_stored_session(store, "ses_o")
        assert await ids(store, POLICY, day(10) - TICK) == []
        assert await ids(store, POLICY, day(10)) == ["ses_a", "ses_c"]
        assert await ids(store, evolve(POLICY, audit_days=None), day(30_000)) == []
        assert await ids(store, evolve(POLICY, audit_days=0), NOON) == ["ses_a", "ses_c"]
        assert (await store.overdue(POLICY, day(10), limit=1))[0] == RetainedSession(
            id="ses_a", owner="alice", closed_at=NOON
        )

    async def test_a_session_that_was_closed_and_then_archived_counts_from_its_closing(self, store):
        session = await a_stored_session(store)
        session = await store.append(session, close(session, at=NOON), ALICE)
        await store.append(session, archive(session, at=day(3)), ALICE)
        assert await ids(store, POLICY, day(10)) == ["ses_a"]

    async def test_held_and_erased_sessions_are_not_overdue(self, store):
        held, erased = await a_stored_session(store, "ses_h"), await a_stored_session(store, "ses_e")
        held = await with_token(store, held, at(60))
        held = await store.append(held, (*close(held, at=NOON), *hold(held, "Case 7", at=NOON)), ALICE)
        erased = await store.append(erased, close(erased, at=NOON), ALICE)
        await store.erase(erased, *erase(erased, at=NOON), ALICE)
        assert await ids(store, POLICY, day(999)) == []
        await store.append(held, release(held, at=day(11)), ALICE)
        assert await ids(store, POLICY, day(999)) == ["ses_h"]

    async def test_sessions_with_old_state_tokens_are_overdue(self, store):
        open_, closed = await a_stored_session(store, "ses_o"), await a_stored_session(store, "ses_c")
        open_ = await with_token(store, await with_token(store, open_, day(2)), day(1))
        closed = await with_token(store, closed, day(2))
        await store.append(closed, close(closed, at=NOON), ALICE)
        assert await ids(store, POLICY, day(1) - TICK) == []
        assert await ids(store, POLICY, day(1)) == await ids(store, POLICY, day(5) - TICK) == ["ses_o"]
        assert await ids(store, POLICY, day(5)) == ["ses_c", "ses_o"]
        assert [it.first_expiry for it in await store.overdue(POLICY, day(5), limit=9)] == [day(2), day(1)]

    async def test_what_is_overdue_can_be_read_in_pieces(self, store):
        for number in (3, 1, 2):
            session = await a_stored_session(store, f"ses_{number}")
            await store.append(session, close(session, at=at(number)), ALICE)
        assert await ids(store, POLICY, day(11), limit=2) == ["ses_1", "ses_2"]
        assert await ids(store, POLICY, day(11), limit=2, after="ses_2") == ["ses_3"]
        assert await ids(store, POLICY, day(11), limit=2, after="ses_3") == []

    @_ON_ONE_STORE
    @given(
        facts=st.tuples(st.booleans(), st.booleans(), st.none() | st.integers(-3, 3)),
        policy=st.builds(RetentionPolicy, audit_days=st.none() | st.integers(0, 4), token_days=st.integers(0, 4)),
        moment=st.integers(-1, 5),
    )
    async def test_overdue_is_what_the_policy_says(self, store, facts, policy, moment):
        closed, held, expiry = facts
        session = await a_stored_session(store, f"ses_{next(_NUMBERS):06}")
        if expiry is not None:
            session = await with_token(store, session, day(expiry))
        if closed:
            session = await store.append(session, close(session, at=NOON), ALICE)
        if held:
            session = await store.append(session, hold(session, "Case 7", at=NOON), ALICE)
        known = RetainedSession(
            id=session.id,
            owner="alice",
            closed_at=session.closed_at,
            held=held,
            first_expiry=None if expiry is None else day(expiry),
        )
        found = [it for it in await store.overdue(policy, day(moment), limit=1_000) if it.id == session.id]
        assert found == ([known] if due(known, policy, at=day(moment)) else [])

    async def test_the_tokens_of_a_session_are_forgotten_or_only_those_that_have_expired(self, store):
        session = await a_stored_session(store)
        session = await with_token(store, await with_token(store, session, day(1)), day(2))
        other = await with_token(store, await a_stored_session(store, "ses_b"), day(1))
        assert await store.forget_states("ses_a", expired_by=day(1) - TICK) == 0
        assert await store.forget_states("ses_a", expired_by=day(1)) == 1
        assert [it.turn for it in await store.states("ses_a")] == [2]
        assert await store.forget_states("ses_a") == 1
        assert await store.forget_states("ses_a") == await store.forget_states("ses_none") == 0
        assert list(await store.states("ses_a")) == []
        assert len(await store.states(other.id)) == 1
        assert await store.load("ses_a") == session
        assert (await store.verify("ses_a")).valid

    async def test_the_tokens_of_a_held_session_are_kept(self, store):
        session = await with_token(store, await a_stored_session(store), day(1))
        await store.append(session, hold(session, "Case 7", at=NOON), ALICE)
        assert await store.forget_states("ses_a") == await store.forget_states("ses_a", expired_by=day(2)) == 0
        assert len(await store.states("ses_a")) == 1

    @pytest.mark.parametrize("reason", ["Case 7", "Grüße"])
    async def test_the_list_says_why_a_session_is_held(self, store, reason):
        session = await a_stored_session(store)
        session = await store.append(session, hold(session, reason, at=NOON), ALICE)
        assert (await store.find(SessionQuery(owner="alice"))).sessions[0].hold == reason
        await store.append(session, release(session, at=NOON), ALICE)
        assert (await store.find(SessionQuery(owner="alice"))).sessions[0].hold is None
