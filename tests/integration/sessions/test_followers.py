"""Who follows a session hears of what other processes store, and of the end of its own store."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable

import pytest

from pluggably.application.follow import follow
from pluggably.domain.access import Principal
from pluggably.domain.errors import Draining, SessionErased
from pluggably.domain.session import erase

from ...contracts.session_store import a_stored_session
from ...session_builders import ALICE, NOON, answer, ask

OWNER = Principal(id="alice", method="api_key")
PATIENCE_S = 30


@pytest.fixture
async def stores(on_postgres):
    """Two processes on one database."""
    stores = on_postgres.open(), on_postgres.open()
    yield stores
    for store in stores:
        await store.close()


async def hears(following: AsyncGenerator, what: Awaitable):
    """What a follower is told that waits already when something happens."""
    waiting = asyncio.create_task(anext(following))
    await asyncio.sleep(0)
    await what
    return await asyncio.wait_for(waiting, PATIENCE_S)


async def test_a_follower_hears_of_what_another_process_stores(stores):
    here, elsewhere = stores
    session = await a_stored_session(elsewhere)
    following = follow(here, session.id, after=1, idle_s=2 * PATIENCE_S)
    assert await anext(following) == ()
    heard = await hears(following, elsewhere.append(session, ask(session), ALICE))
    session = await elsewhere.load(session.id)
    heard += await hears(following, elsewhere.append(session, answer(session), ALICE))
    assert heard == await elsewhere.history(session.id, after=1)


async def test_a_follower_hears_that_another_process_erased_the_session(stores):
    here, elsewhere = stores
    session = await a_stored_session(elsewhere)
    following = follow(here, session.id, after=1, idle_s=2 * PATIENCE_S)
    assert await anext(following) == ()
    with pytest.raises(SessionErased):
        await hears(following, elsewhere.erase(session, *erase(session, at=NOON), ALICE))


async def test_followers_of_a_store_that_is_closed_are_told_so(place):
    store = place.open()
    session = await a_stored_session(store)
    following = [follow(store, session.id, after=1, idle_s=2 * PATIENCE_S) for _ in range(3)]
    assert [await anext(it) for it in following] == [()] * 3
    waiting = [asyncio.create_task(anext(it)) for it in following]
    await asyncio.sleep(0)
    await store.close()
    async with asyncio.timeout(PATIENCE_S):
        told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(it) for it in told] == [Draining] * 3
