"""A turn whose process is gone is ended by the others on its database, once; one whose process lives is not."""

import asyncio
from contextlib import ExitStack, closing

import psycopg
import pytest

from pluggably.adapters.sessions.postgres import SessionDatastore
from pluggably.adapters.sessions.presence import Presence
from pluggably.adapters.system import IdSequence, now
from pluggably.application.catalog import Catalog
from pluggably.application.ports import SessionStore
from pluggably.application.sessions import Sessions
from pluggably.application.turns import SessionLocks
from pluggably.domain.errors import VersionConflict
from pluggably.domain.session import Session, TurnStatus
from tests.artifact_world import an_eraser

from ...contracts.session_store import a_stored_session
from ...session_builders import ALICE, answer, ask
from .conversations import expect_whole

SESSIONS = ["ses_a", "ses_b", "ses_c"]
LONG_UNSEEN = """
UPDATE gateway_processes SET seen_at = seen_at - interval '1 minute'
WHERE name IN (SELECT active_by FROM session_list)"""


@pytest.fixture
async def stores(on_postgres):
    """Four processes on one database."""
    stores = [on_postgres.open() for _ in range(4)]
    yield stores
    for store in stores:
        await store.close()


@pytest.fixture
async def running(stores):
    """Sessions with turns that began in the first process."""
    opened = [await a_stored_session(stores[0], session_id) for session_id in SESSIONS]
    return [await stores[0].append(session, ask(session), ALICE) for session in opened]


class InStep:
    """A store that gives a session only once all the others have read it too."""

    def __init__(self, store: SessionStore, others: asyncio.Barrier) -> None:
        self.active, self.append = store.active, store.append
        self._store, self._others = store, others

    async def load(self, session_id: str) -> Session:
        session = await self._store.load(session_id)
        await self._others.wait()
        return session


def sweep_of(store: SessionStore) -> Sessions:
    catalog, locks = Catalog(sources=[], runners=None), SessionLocks(5)
    eraser = an_eraser(store)
    return Sessions(store=store, eraser=eraser, catalog=catalog, locks=locks, clock=now, new_id=IdSequence())


def forget_the_process(url: str) -> None:
    """Let the turns be those of a process that the database does not know any more."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE session_list SET active_by = 'run_gone'")


async def test_turns_of_a_process_that_lives_are_left_alone(stores, running):
    assert [list(await store.active()) for store in stores] == [[]] * 4


async def test_turns_of_a_process_that_was_stopped_are_left_behind_at_once(stores, running):
    await stores.pop(0).close()
    assert [list(await store.active()) for store in stores] == [SESSIONS] * 3


async def test_a_process_that_says_nothing_is_dead_to_those_that_have_been_steady(stores, running, database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(LONG_UNSEEN)
        assert [list(await store.active()) for store in stores[1:]] == [[]] * 3
        connection.execute("UPDATE gateway_processes SET steady_since = steady_since - interval '1 minute'")
        assert [list(await store.active()) for store in stores[1:]] == [SESSIONS] * 3


@pytest.mark.parametrize(("unseen_s", "steady"), [(3, True), (5, False)])
def test_a_process_is_not_steady_any_more_after_a_pause(database, unseen_s, steady):
    pause = "UPDATE gateway_processes SET seen_at = seen_at - make_interval(secs => %s)"
    with ExitStack() as held:
        datastore = held.enter_context(closing(SessionDatastore(database, connections=1)))
        connection = held.enter_context(psycopg.connect(database, autocommit=True))
        held.enter_context(closing(Presence(datastore, "run_a")))
        connection.execute(pause, (unseen_s,))
        held.enter_context(closing(Presence(datastore, "run_a")))
        found = connection.execute("SELECT seen_at > steady_since FROM gateway_processes").fetchone()
    assert found == (steady,)


async def test_processes_that_look_at_once_end_each_turn_once(stores, running, database):
    forget_the_process(database)
    others = asyncio.Barrier(len(stores))
    sweeps = await asyncio.gather(*(sweep_of(InStep(store, others)).end_interrupted_turns() for store in stores))
    assert sorted(session_id for sweep in sweeps for session_id in sweep.ended) == SESSIONS
    assert [sweep.unreadable for sweep in sweeps] == [()] * len(stores)
    for session_id in SESSIONS:
        session = await expect_whole(stores[0], session_id)
        assert (session.version, session.turns[0].error_code) == (3, "interrupted")


async def test_a_process_that_was_taken_for_gone_comes_too_late_with_its_answer(stores, running, database):
    forget_the_process(database)
    await sweep_of(stores[1]).end_interrupted_turns()
    with pytest.raises(VersionConflict):
        await stores[0].append(running[0], answer(running[0]), ALICE)
    assert (await expect_whole(stores[0], "ses_a")).turns[0].status is TurnStatus.FAILED
