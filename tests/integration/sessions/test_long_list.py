"""A list that is long is filtered as a short one is: what very many sessions have is looked for another way."""

import asyncio

import pytest

from pluggably.adapters.sessions.sqlite import _FEW
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.application.ports import SessionCursor, SessionQuery
from pluggably.domain.session import Session

from ...session_builders import ALICE, at, opened

SESSIONS = _FEW + 50


@pytest.fixture
async def store(tmp_path):
    """Very many sessions of one team, and between them one of another; every thousandth is marked."""
    store = sqlite_sessions(tmp_path)

    async def put(number):
        metadata = {"team": "blue" if number == 70 else "red"} | ({"marked": "yes"} if number % 1000 == 0 else {})
        await store.append(Session(id=f"ses_{number:05}"), (opened(metadata=metadata, at=at(number)),), ALICE)

    await asyncio.gather(*map(put, range(SESSIONS)))
    yield store
    await store.close()


async def test_by_metadata_that_many_have_or_few_or_nobody(store):
    async def numbers(after=None, **metadata):
        cursor = after and SessionCursor(last_activity_at=at(after), id=f"ses_{after:05}")
        page = await store.find(SessionQuery(owner="alice", metadata=metadata, limit=3, after=cursor))
        return [int(it.id.removeprefix("ses_")) for it in page.sessions], page.has_more

    last = SESSIONS - 1
    assert await numbers(team="red") == ([last, last - 1, last - 2], True)
    assert await numbers(team="red", after=71) == ([69, 68, 67], True)
    assert await numbers(team="red", after=2) == ([1, 0], False)
    assert await numbers(team="blue") == ([70], False)
    assert await numbers(team="red", marked="yes") == ([5000, 4000, 3000], True)
    assert await numbers(marked="yes", team="red", after=3000) == ([2000, 1000, 0], False)
    assert await numbers(team="blue", marked="yes") == ([], False)
    assert await numbers(team="green") == ([], False)
