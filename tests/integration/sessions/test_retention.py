"""Retention by several gateways on one database, and what a hold is worth against it."""

import asyncio

import pytest

from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.application.retention import Retention
from pluggably.application.turns import SessionLocks
from pluggably.domain.errors import SessionErased, VersionConflict
from pluggably.domain.retention import RetentionPolicy
from pluggably.domain.session import close, hold
from tests.artifact_world import an_eraser

from ...contracts.retention_store import day, with_token
from ...contracts.session_store import a_stored_session
from ...session_builders import ALICE, NOON, at

POLICY = RetentionPolicy(audit_days=10, token_days=5)


def retention(store, moment=10) -> Retention:
    return Retention(
        store=store,
        retained=store,
        eraser=an_eraser(store),
        policy=POLICY,
        locks=SessionLocks(5),
        clock=lambda: day(moment),
    )


@pytest.fixture
async def gateways(database, tmp_path):
    """Two processes' stores on one database."""
    stores = [postgres_sessions(database, tmp_path) for _ in range(2)]
    yield stores
    for store in stores:
        await store.close()


async def closed_sessions(store, count: int):
    for number in range(count):
        session = await with_token(store, await a_stored_session(store, f"ses_{number:02}"), at(60))
        yield await store.append(session, close(session, at=NOON), ALICE)


async def test_several_gateways_at_once_erase_each_session_once(gateways):
    ids = [it.id async for it in closed_sessions(gateways[0], 20)]
    reports = await asyncio.gather(*(retention(it).run(f"ret_{n}", dry_run=False) for n, it in enumerate(gateways)))
    assert sorted(it.due.session_id for report in reports for it in report.done) == ids
    assert [report.skipped for report in reports] == [(), ()]
    for session_id in ids:
        found = await gateways[0].verify(session_id)
        assert (found.valid, found.erased) == (True, True)


async def test_several_gateways_at_once_delete_each_token_once(gateways):
    ids = [it.id async for it in closed_sessions(gateways[0], 20)]
    reports = await asyncio.gather(*(retention(it, 5).run(f"ret_{n}", dry_run=False) for n, it in enumerate(gateways)))
    assert sorted(it.due.session_id for report in reports for it in report.done) == ids
    assert sum(it.state_tokens for report in reports for it in report.done) == 20


async def test_a_session_is_either_held_in_time_or_erased(gateways):
    """Whoever is told that a session is held finds it whole afterwards, tokens and all."""
    first, second = gateways
    sessions = [it async for it in closed_sessions(first, 20)]

    async def hold_all():
        for session in reversed(sessions):
            try:
                yield await second.append(session, hold(session, "Case 7", at=NOON), ALICE)
            except (SessionErased, VersionConflict):  # the other one was first, or is about to be
                continue

    run = asyncio.create_task(retention(first).run("ret_1", dry_run=False))
    held = [it async for it in hold_all()]
    report = await run
    erased = {it.due.session_id for it in report.done}
    assert erased.isdisjoint(it.id for it in held)
    assert len(erased) + len(held) == 20
    for session in held:
        assert (await first.load(session.id)).hold == "Case 7"
        assert len(await first.states(session.id)) == 1


async def test_the_last_event_of_what_retention_erased_says_so(tmp_path):
    store = sqlite_sessions(tmp_path)
    (session,) = [it async for it in closed_sessions(store, 1)]
    await retention(store).run("ret_1", dry_run=False)
    head = await store.head(session.id)
    last = (await store.events(head, after=0, limit=head.events))[-1]
    assert last.topic.startswith("session.erased")
    for said in (b'"system"', b'"retention"', b'"ret_1"'):
        assert said in last.header
    await store.close()
