"""The database server is killed while sessions are written: what was acknowledged is there after it has recovered."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.application.ports import SessionStore

from ...postgres_server import PostgresServer
from .conversations import conversations, expect_whole, lost

ROUNDS = 3
EVENTS_BEFORE_THE_KILL = 60

# The store asks for a commit that waits until its record is written, so this takes that back later on; not for a
# session's first event, without which there would be nothing to look into.
ANSWER_BEFORE_IT_IS_WRITTEN = """
CREATE FUNCTION be_careless() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    RETURN NEW;
END $$;
CREATE TRIGGER careless BEFORE INSERT ON stored_events
FOR EACH ROW WHEN (NEW.originator_version > 1) EXECUTE FUNCTION be_careless()"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server to be killed; its log is written out by commits that wait for it, and seldom otherwise."""
    with PostgresServer() as server:
        server.run("ALTER SYSTEM SET wal_writer_delay = '10s'")
        server.run("SELECT pg_reload_conf()")
        yield server


@pytest.fixture
def database(server) -> Iterator[str]:
    with server.database() as url:
        yield url


@pytest.fixture
async def store(database, tmp_path) -> AsyncIterator[SessionStore]:
    store = postgres_sessions(database, tmp_path)
    yield store
    await store.close()


async def test_a_killed_database_loses_nothing_that_was_acknowledged_and_its_clients_go_on(server, store):
    async with conversations(store, "ses_a", "ses_b", "ses_c") as ledger:
        for _ in range(ROUNDS):
            await ledger.grow(EVENTS_BEFORE_THE_KILL)
            await asyncio.to_thread(server.kill)
            acknowledged = tuple(ledger.words)
            await asyncio.to_thread(server.restart)
            assert await lost(store, acknowledged) == set()
        await ledger.grow(EVENTS_BEFORE_THE_KILL)
    assert await lost(store, ledger.words) == set()
    for session_id in ("ses_a", "ses_b", "ses_c"):
        await expect_whole(store, session_id)


async def test_a_database_that_answers_before_it_has_written_is_seen_to_lose(server, database, store):
    """Proves that the test above would notice."""
    server.run(ANSWER_BEFORE_IT_IS_WRITTEN, database.partition("?")[0].rpartition("/")[2])
    for number in range(ROUNDS):
        async with conversations(store, f"ses_{number}") as ledger:
            await ledger.grow(EVENTS_BEFORE_THE_KILL)
            await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.restart)
        if await lost(store, ledger.words):
            return
    raise AssertionError("the database kept its promise")
