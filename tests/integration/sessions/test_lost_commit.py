"""The connection breaks around a COMMIT: the turn is stored once, and its caller is told what became of it."""

import asyncio

import psycopg
import pytest

from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.domain.errors import IdempotencyInProgress, VersionConflict
from pluggably.domain.session import Session, erase

from ...contracts.session_store import a_stored_session, key_use
from ...session_builders import ALICE, NOON, after, answer, ask, opened
from .conversations import expect_whole
from .proxy import Loss, Proxy

LOSSES = [(Loss.ANSWER,), (Loss.COMMIT,), (Loss.COMMIT, Loss.COMMIT), (Loss.COMMIT, Loss.ANSWER)]


@pytest.fixture
async def proxy(database):
    async with Proxy(database) as proxy:
        yield proxy


@pytest.fixture
async def store(proxy, tmp_path):
    """A store that reaches its database through the proxy."""
    store = await asyncio.to_thread(postgres_sessions, proxy.url, tmp_path)
    yield store
    await store.close()


@pytest.fixture
async def other(store, database, tmp_path):
    """Another process, which reaches it directly."""
    other = await asyncio.to_thread(postgres_sessions, database, tmp_path)
    yield other
    await other.close()


def in_database(url: str, what: str) -> list[tuple]:
    with psycopg.connect(url) as connection:
        return connection.execute(f"SELECT {what}").fetchall()


VERSIONS = "originator_id, originator_version FROM stored_events ORDER BY notification_id"
KEYS = "key, session_id, turn FROM idempotency_keys"


@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize("keyed", [False, True])
async def test_a_turn_is_stored_once_and_its_caller_told_so(store, proxy, database, losses, keyed):
    session = await a_stored_session(store)
    proxy.lose(*losses)
    begun = await store.append(session, ask(session), ALICE, key_use=key_use(turn=1) if keyed else None)
    assert proxy.losses == len(losses)
    assert begun == after(session, ask(session))
    assert in_database(database, VERSIONS) == [("ses_a", 1), ("ses_a", 2)]
    assert in_database(database, KEYS) == [("k", "ses_a", 1)] * keyed
    ended = await store.append(begun, answer(begun), ALICE)
    assert await expect_whole(store, "ses_a") == ended


@pytest.mark.parametrize("loss", Loss)
async def test_a_session_is_opened_once(store, proxy, database, loss):
    proxy.lose(loss)
    session = await store.append(Session(id="ses_a"), (opened(),), ALICE, key_use=key_use())
    assert proxy.losses == 1
    assert in_database(database, VERSIONS) == [("ses_a", 1)]
    assert in_database(database, KEYS) == [("k", "ses_a", None)]
    assert await expect_whole(store, "ses_a") == session


@pytest.mark.parametrize("loss", Loss)
async def test_a_session_is_erased_once(store, proxy, database, loss):
    session = await a_stored_session(store)
    proxy.lose(loss)
    receipt = await store.erase(session, *erase(session, at=NOON), ALICE)
    assert proxy.losses == 1
    assert in_database(database, VERSIONS) == [("ses_a", 1), ("ses_a", 2)]
    found = await store.verify("ses_a")
    assert (found.valid, found.erased, found.head) == (True, True, receipt.head)


async def test_a_turn_that_others_went_on_from_before_its_answer_came_is_still_told_to_be_stored(store, proxy, other):
    session = await a_stored_session(store)
    proxy.lose(Loss.ANSWER, hold=True)
    asked = asyncio.create_task(store.append(session, ask(session), ALICE))
    await proxy.lost.wait()
    begun = await other.load("ses_a")
    ended = await other.append(begun, answer(begun), ALICE)
    proxy.resume()
    assert await asked == begun
    assert await expect_whole(store, "ses_a") == ended


@pytest.mark.parametrize(("key", "told"), [("k", IdempotencyInProgress), ("another", VersionConflict)])
async def test_a_turn_that_was_overtaken_before_its_commit_arrived_is_refused(store, proxy, other, key, told):
    session = await a_stored_session(store)
    proxy.lose(Loss.COMMIT, hold=True)
    asked = asyncio.create_task(store.append(session, ask(session, "Mine?"), ALICE, key_use=key_use(turn=1)))
    await proxy.lost.wait()
    theirs = await other.append(session, ask(session, "Theirs?"), ALICE, key_use=key_use(key, turn=1))
    proxy.resume()
    with pytest.raises(told):
        await asked
    assert await expect_whole(store, "ses_a") == theirs
