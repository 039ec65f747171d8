"""Who may read which sessions, and what is recorded of it."""

import pytest

from pluggably.adapters.memory.sessions import MemorySessionStore
from pluggably.application.audit_trail import ReadRecorder
from pluggably.application.catalog import Catalog
from pluggably.application.reads import Reads
from pluggably.application.sessions import Sessions
from pluggably.application.turns import SessionLocks
from pluggably.domain.access import Principal, Scope
from pluggably.domain.audit import AuditRead, ReadKind
from pluggably.domain.errors import InsufficientScope, InsufficientStorage, NotFound, SessionErased, StoreUnavailable
from pluggably.domain.session import erase
from tests.artifact_world import an_eraser

from ...contracts.session_store import a_stored_session
from ...session_builders import ALICE, NOON, at

OWNER = Principal(id="alice", method="test")
STRANGER = Principal(id="bob", method="test", scopes=frozenset(Scope) - {Scope.AUDIT})
AUDITOR = Principal(id="ada", method="api_key", scopes=frozenset({Scope.AUDIT, Scope.AUDIT_TOKENS}))


class FullTrail:
    """A trail that has no room."""

    async def record(self, read, provenance):
        raise InsufficientStorage

    async def entries(self, *, after=0, limit=100):
        return ()


@pytest.fixture
def store():
    return MemorySessionStore()


@pytest.fixture
def reads(store):
    return Reads(store=store, recorder=ReadRecorder(trail=store.trail, clock=lambda: at(60)))


def every_read(reads: Reads, principal: Principal, session_id: str = "ses_a") -> dict:
    """Each way to read a session, ready to be awaited."""
    who = (session_id, principal, "req_9")
    return {
        "session": lambda: reads.get(*who),
        "turns": lambda: reads.get(*who, ReadKind.TURNS, at_version=1),
        "replay": lambda: reads.get(*who, ReadKind.REPLAY, at_version=2),
        "events": lambda: reads.history(*who, after=1, limit=5),
        "live": lambda: reads.follow(*who, after=2, idle_s=1),
        "verify": lambda: reads.verify(*who),
        "tokens": lambda: reads.state_tokens(*who, revealed=False),
    }


async def recorded(store) -> list[AuditRead]:
    return [it.read for it in await store.trail.entries()]


async def test_an_auditors_reads_of_others_are_recorded_with_what_they_asked(store, reads):
    session = await a_stored_session(store, turns=1)
    results = {name: await read() for name, read in every_read(reads, AUDITOR).items()}
    assert results["session"] == session
    assert results["verify"].valid
    assert (await anext(results["live"]))[0].version == 3
    assert [(it.what, it.session_id, it.asked, it.at) for it in await recorded(store)] == [
        (ReadKind.SESSION, "ses_a", {}, at(60)),
        (ReadKind.TURNS, "ses_a", {"version": "1"}, at(60)),
        (ReadKind.REPLAY, "ses_a", {"version": "2"}, at(60)),
        (ReadKind.EVENTS, "ses_a", {"after": "1", "limit": "5"}, at(60)),
        (ReadKind.EVENTS, "ses_a", {"after": "2", "live": "true"}, at(60)),
        (ReadKind.VERIFY, "ses_a", {}, at(60)),
        (ReadKind.SESSION, "ses_a", {"state_tokens": "described"}, at(60)),
    ]
    (by,) = {it.provenance for it in await store.trail.entries()}
    assert (by.actor, by.method, by.request_id) == ("ada", "api_key", "req_9")


async def test_of_what_owners_read_of_their_own_only_audits_are_recorded(store, reads):
    await a_stored_session(store, turns=1)
    for read in every_read(reads, OWNER).values():
        await read()
    assert [it.what for it in await recorded(store)] == [ReadKind.REPLAY, ReadKind.VERIFY]


async def test_to_everybody_else_a_session_is_not_there_and_nothing_is_recorded(store, reads):
    await a_stored_session(store, turns=1)
    for read in [*every_read(reads, STRANGER).values(), *every_read(reads, AUDITOR, "ses_x").values()]:
        with pytest.raises(NotFound):
            await read()
    with pytest.raises(NotFound):
        await reads.state_tokens("ses_a", STRANGER, "req_9", revealed=False)
    assert await recorded(store) == []


@pytest.mark.parametrize("name", ["session", "turns", "replay", "events", "live", "verify", "tokens"])
async def test_what_cannot_be_recorded_is_not_answered(store, name):
    await a_stored_session(store, turns=1)
    reads = Reads(store=store, recorder=ReadRecorder(trail=FullTrail(), clock=lambda: NOON))
    with pytest.raises(StoreUnavailable, match="cannot be recorded"):
        await every_read(reads, AUDITOR)[name]()


async def test_an_auditor_changes_nothing_of_others(store, reads):
    session = await a_stored_session(store)
    sessions = Sessions(
        store=store,
        eraser=an_eraser(store),
        catalog=Catalog(sources=[], runners=None),
        locks=SessionLocks(1),
        clock=lambda: NOON,
        new_id=lambda prefix: f"{prefix}_new",
    )
    for change in (sessions.reset, sessions.close, sessions.archive, sessions.erase):
        with pytest.raises(NotFound):
            await change("ses_a", AUDITOR, "req_9", None)
    with pytest.raises(NotFound):
        await sessions.fork("ses_a", AUDITOR, "req_9", None, None)
    await every_read(reads, AUDITOR)["session"]()
    assert await store.load("ses_a") == session


async def test_of_an_erased_session_an_auditor_still_verifies_the_chain(store, reads):
    session = await a_stored_session(store, turns=1)
    await store.erase(session, *erase(session, at=NOON), ALICE)
    assert (await reads.verify("ses_a", AUDITOR, "req_9")).erased
    assert [it.what for it in await recorded(store)] == [ReadKind.VERIFY]
    with pytest.raises(SessionErased):
        await reads.get("ses_a", AUDITOR, "req_9")
    with pytest.raises(NotFound):
        await reads.get("ses_a", STRANGER, "req_9")


async def test_state_tokens_need_a_scope_of_their_own_and_are_recorded_for_their_owner_too(store, reads):
    await a_stored_session(store)
    owner = Principal(id="alice", method="test", scopes=frozenset({Scope.AUDIT_TOKENS}))
    for principal in (OWNER, Principal(id="ada", method="test", scopes=frozenset({Scope.AUDIT}))):
        with pytest.raises(InsufficientScope, match="audit:tokens"):
            await reads.state_tokens("ses_a", principal, "req_9", revealed=True)
    for principal in (owner, AUDITOR):
        assert list(await reads.state_tokens("ses_a", principal, "req_9", revealed=True)) == []
    assert [it.what for it in await recorded(store)] == [ReadKind.STATE_TOKENS] * 2


async def test_who_reads_the_trail_is_in_it(store, reads):
    await a_stored_session(store)
    await reads.verify("ses_a", OWNER, "req_1")
    found = await reads.trail(AUDITOR, "req_9", after=1)
    assert [(it.read.what, it.read.asked, it.provenance.actor) for it in found] == [
        (ReadKind.READS, {"after": "1", "limit": "100"}, "ada")
    ]
    with pytest.raises(InsufficientScope):
        await reads.trail(OWNER, "req_9")
