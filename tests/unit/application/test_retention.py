"""A retention run, over the store in memory."""

from datetime import timedelta

import pytest
from attrs import evolve

from pluggably.adapters.memory.sessions import MemorySessionStore
from pluggably.application.retention import BATCH, Retention
from pluggably.application.turns import SessionLocks
from pluggably.domain.errors import GatewayError, SessionErased, StoreUnavailable, VersionConflict
from pluggably.domain.retention import Disposal, Reason, RetentionPolicy
from pluggably.domain.session import SessionStatus, close, erase, hold
from tests.artifact_world import an_eraser

from ...contracts.retention_store import day, with_token
from ...contracts.session_store import a_stored_session
from ...session_builders import ALICE, NOON, at

POLICY, DUE = RetentionPolicy(audit_days=10, token_days=5), day(10)


class Store(MemorySessionStore):
    """`meanwhile` happens to a session just before it is loaded."""

    def __init__(self):
        super().__init__()
        self.meanwhile = {}

    async def load(self, session_id, *, at_version=None):
        if happens := self.meanwhile.pop(session_id, None):
            await happens(session_id)
        return await super().load(session_id, at_version=at_version)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def locks():
    return SessionLocks(0.01)


@pytest.fixture
def run(store, locks):
    """Run at a moment; `retained` stands for what the store finds, if it is not what it should find."""

    async def run(moment=DUE, *, dry_run=False, limit=None, policy=POLICY, retained=store):
        retention = Retention(
            store=store,
            retained=retained,
            eraser=an_eraser(store),
            policy=policy,
            locks=locks,
            clock=lambda: moment,
        )
        return await retention.run("ret_1", dry_run=dry_run, limit=limit)

    return run


async def a_closed_session(store, session_id="ses_a", *, tokens=0, **facts):
    session = await a_stored_session(store, session_id, **facts)
    for _ in range(tokens):
        session = await with_token(store, session, at(60))
    return await store.append(session, close(session, at=NOON), ALICE)


async def is_erased(store, session_id: str) -> bool:
    return (await store.verify(session_id)).erased


async def test_what_was_closed_long_enough_ago_is_erased_and_the_receipt_kept(store, run):
    session = await a_closed_session(store, tokens=2)
    await a_stored_session(store, "ses_open")
    report = await run()
    (done,) = report.done
    assert (done.due.session_id, done.due.what, done.due.since) == ("ses_a", Disposal.SESSION, day(10))
    assert (done.erasure.events, done.erasure.erased_at, done.state_tokens) == (session.version + 1, day(10), 2)
    assert (report.plan, report.skipped, report.has_more) == ((done.due,), (), False)
    with pytest.raises(SessionErased):
        await store.load("ses_a")
    assert (await store.load("ses_open")).status is SessionStatus.OPEN


async def test_an_erasure_names_the_system_and_the_run(store, run):
    erasures = []
    erase = store.erase

    async def recorded(session, erased, provenance):
        erasures.append(provenance)
        return await erase(session, erased, provenance)

    store.erase = recorded
    await a_closed_session(store)
    await run()
    (provenance,) = erasures
    assert (provenance.actor, provenance.method, provenance.request_id) == ("system", "retention", "ret_1")


async def test_tokens_are_deleted_and_their_session_stays(store, run):
    closed = await a_closed_session(store, "ses_c", tokens=2)
    open_ = await with_token(store, await a_stored_session(store, "ses_o"), day(1))
    open_ = await with_token(store, open_, day(9))
    report = await run(day(5))
    done = [(it.due.session_id, it.due.reason, it.state_tokens, it.erasure) for it in report.done]
    assert done == [("ses_c", Reason.TOKEN_DAYS, 2, None), ("ses_o", Reason.EXPIRED, 1, None)]
    assert await store.load("ses_c") == closed
    assert [it.turn for it in await store.states("ses_o")] == [2]


async def test_a_dry_run_says_all_of_it_and_does_nothing(store, run):
    await a_closed_session(store, "ses_c")
    await with_token(store, await a_stored_session(store, "ses_o"), day(1))
    dry = await run(dry_run=True)
    assert (dry.dry_run, dry.done, dry.skipped) == (True, (), ())
    assert len(await store.states("ses_o")) == 1
    assert (await store.load("ses_c")).status is SessionStatus.CLOSED
    assert (await run()).plan == dry.plan
    assert (await run()).plan == ()


async def test_more_than_a_batch_is_done_in_one_run(store, run):
    for number in range(BATCH + 1):
        await a_closed_session(store, f"ses_{number:04}")
    report = await run()
    assert (len(report.done), report.has_more) == (BATCH + 1, False)


@pytest.mark.parametrize(("limit", "done", "has_more"), [(1, 1, True), (2, 2, True), (3, 3, False), (9, 3, False)])
async def test_a_limit_bounds_a_run_and_it_is_said_whether_there_is_more(store, run, limit, done, has_more):
    for number in range(3):
        await a_closed_session(store, f"ses_{number}")
    dry = await run(dry_run=True, limit=limit)
    assert (len(dry.plan), dry.has_more) == (done, has_more)
    report = await run(limit=limit)
    assert (len(report.done), report.has_more) == (done, has_more)


async def test_a_session_that_fails_is_told_of_and_hinders_no_other(store, run):
    async def damaged(session_id):
        raise GatewayError(detail="Event 2 is not as it was stored.")

    for name in ("ses_1", "ses_2"):
        await a_closed_session(store, name)
    store.meanwhile["ses_1"] = damaged
    report = await run(limit=1)
    assert [it.due.session_id for it in report.done] == ["ses_2"]
    assert [(it.due.session_id, str(it.error)) for it in report.skipped] == [
        ("ses_1", "Event 2 is not as it was stored.")
    ]
    assert not report.has_more


async def test_a_session_that_is_held_meanwhile_stays(store, run):
    async def held(session_id):
        session = await MemorySessionStore.load(store, session_id)
        await store.append(session, hold(session, "Case 7", at=NOON), ALICE)

    await a_closed_session(store)
    store.meanwhile["ses_a"] = held
    report = await run()
    assert [it.error.code for it in report.skipped] == ["session_on_hold"]
    assert not await is_erased(store, "ses_a")


async def test_a_session_that_somebody_works_on_is_left_for_the_next_run(store, run, locks):
    await a_closed_session(store)
    async with locks.hold("ses_a", "alice"):
        assert [it.error.code for it in (await run()).skipped] == ["session_busy"]
    assert [it.due.session_id for it in (await run()).done] == ["ses_a"]


async def test_what_another_process_did_meanwhile_is_no_error(store, run):
    async def done_elsewhere(session_id):
        session = await MemorySessionStore.load(store, session_id)
        await store.erase(session, *erase(session, at=DUE), ALICE)

    async def moved_on(session_id):
        raise VersionConflict

    for name in ("ses_1", "ses_2", "ses_3"):
        await a_closed_session(store, name)
    store.meanwhile |= {"ses_1": done_elsewhere, "ses_2": moved_on}
    report = await run()
    assert [it.session_id for it in report.plan] == ["ses_1", "ses_2", "ses_3"]
    assert ([it.due.session_id for it in report.done], report.skipped) == (["ses_3"], ())


async def test_without_its_database_a_run_ends(store, run):
    async def away(session_id):
        raise StoreUnavailable

    for name in ("ses_1", "ses_2", "ses_3"):
        await a_closed_session(store, name)
    store.meanwhile["ses_2"] = away
    with pytest.raises(StoreUnavailable):
        await run()
    assert [await is_erased(store, f"ses_{number}") for number in (1, 2, 3)] == [True, False, False]


async def test_a_list_that_contradicts_the_events_erases_nothing(store, run):
    class AlteredList:
        async def overdue(self, policy, moment, *, limit, after=""):
            found = await store.overdue(policy, moment + timedelta(days=1), limit=limit, after=after)
            return [evolve(it, closed_at=it.closed_at - timedelta(days=1)) for it in found]

    await a_closed_session(store)
    report = await run(day(9), retained=AlteredList())
    assert report.done == ()
    assert "verify it" in str(report.skipped[0].error)
    assert not await is_erased(store, "ses_a")
