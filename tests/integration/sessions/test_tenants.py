"""Two principals on one store: nobody sees, changes or finds out anything of another's sessions."""

import asyncio
import itertools
from contextlib import AsyncExitStack

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pluggably.adapters.memory.models import ListedModels
from pluggably.adapters.memory.sessions import MemorySessionStore
from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.application.catalog import Catalog
from pluggably.application.ports import SessionStore
from pluggably.application.turns import SessionLocks
from pluggably.domain.model import ModelStatus

from ...builders import a_model
from .tenant import VERBS, Tenant

EMPTY = "TRUNCATE stored_events, session_list, session_labels, session_keys, idempotency_keys"
NAMES = ("alice", "bob")
ABOUT_A_SESSION = [verb for verb in VERBS if verb != "open" and not verb.startswith("list")]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(NAMES),
        st.sampled_from(list(VERBS)),
        st.sampled_from([f"ses_{name}_{number}" for name in NAMES for number in range(2)]),
        st.sampled_from([0, 1, 2, 99]),
    ),
    max_size=30,
)


class Idle:
    """No model is loaded."""

    def status(self, model_id):
        return ModelStatus.AVAILABLE


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def empty_store(request, tmp_path):
    """Gives an empty store, as often as it is called, in place of the one before."""
    url = request.getfixturevalue("database") if request.param == "postgres" else None
    numbers, opened = itertools.count(), AsyncExitStack()

    async def empty_store() -> SessionStore:
        await opened.aclose()
        if request.param == "memory":
            return MemorySessionStore()
        if url:
            with psycopg.connect(url) as connection:
                connection.execute(EMPTY)
        store = postgres_sessions(url, tmp_path) if url else sqlite_sessions(tmp_path / str(next(numbers)))
        opened.push_async_callback(store.close)
        return store

    async with opened:
        yield empty_store


@pytest.fixture
def tenants(empty_store, tmp_path):
    """Gives tenants by their names, on an empty store."""

    async def tenants(*names: str) -> list[Tenant]:
        catalog = Catalog(sources=[ListedModels([a_model("tiny")])], runners=Idle())
        await catalog.refresh()
        store, locks = await empty_store(), SessionLocks(60)
        return [Tenant(name, store, locks, catalog, tmp_path) for name in names]

    return tenants


@pytest.mark.parametrize("verb", ABOUT_A_SESSION)
async def test_whoever_does_not_own_a_session_is_told_what_is_said_of_none(tenants, verb):
    alice, bob = await tenants("alice", "bob")
    for session_id in ("ses_alice_0", "ses_alice_1"):
        await alice.does("open")
        await alice.does("ask", session_id)
    await alice.does("erase", "ses_alice_1")
    before = await alice.does("get", "ses_alice_0"), await alice.does("history", "ses_alice_0")
    for session_id in ("ses_alice_0", "ses_alice_1"):
        for number in (0, 1, 99):
            told, of_none = await bob.does(verb, session_id, number), await bob.does(verb, "ses_none", number)
            assert told == ("NotFound", of_none[1].replace("ses_none", session_id))
    assert (await alice.does("get", "ses_alice_0"), await alice.does("history", "ses_alice_0")) == before


async def test_nobody_waits_for_a_turn_of_somebody_else(tenants):
    alice, bob = await tenants("alice", "bob")
    await alice.does("open")
    alice.generator.gate = asyncio.Event()
    turn = asyncio.create_task(alice.does("ask", "ses_alice_0"))
    while not alice.generator.running:
        await asyncio.sleep(0)
    async with asyncio.timeout(20):  # a third of what one waits for a turn of one's own
        for verb in ABOUT_A_SESSION:
            assert (await bob.does(verb, "ses_alice_0"))[0] == "NotFound"
    alice.generator.gate.set()
    assert (await turn)[0] == "gen_alice_0"


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(steps=STEPS)
@example(steps=[("alice", "open", "", 1), ("bob", "open", "", 1)])
@example(steps=[("alice", "ask", "ses_alice_0", 1), ("bob", "ask", "ses_bob_0", 1), ("bob", "erase", "ses_bob_0", 0)])
async def test_what_one_is_told_does_not_depend_on_what_others_do(tenants, steps):
    steps = [(name, "open", "", 0) for name in NAMES] + steps
    together = await told(dict(zip(NAMES, await tenants(*NAMES), strict=True)), steps)
    for name in NAMES:
        (alone,) = await tenants(name)
        own = [place for place, step in enumerate(steps) if step[0] == name]
        assert await told({name: alone}, [steps[it] for it in own]) == [together[it] for it in own]


async def told(tenants, steps):
    return [await tenants[name].does(*step) for name, *step in steps]
