"""What version 1 wrote can be read for ever: keys, events, chain and list.

`fixtures/folder_v1` is never edited; a new version of what is stored gets a folder of its own beside it. It holds the
dumps of both databases, with `ses_a` (every kind of event and part), `ses_b` (its turn was still running) and
`ses_erased` (its key is destroyed). The master key is the bytes 0 to 31.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.application.ports import SessionQuery
from pluggably.domain.errors import NotFound
from pluggably.domain.session import SessionStatus, TurnStatus, interrupt

from ...session_builders import ALICE, EVERY_PART, NOON, answer, ask, at

FOLDER_V1 = Path(__file__).parent / "fixtures" / "folder_v1"
HEAD_OF_A = "2b7129f3569db21011162f4d12e87791b0def494259eb6260ef5170e6851233f"


@pytest.fixture
async def store(tmp_path):
    (tmp_path / "master.key").write_bytes(bytes(range(32)))
    for name in ("sessions", "keys"):
        with closing(sqlite3.connect(tmp_path / f"{name}.sqlite")) as connection:
            connection.executescript((FOLDER_V1 / f"{name}.sql").read_text())
    store = sqlite_sessions(tmp_path)
    yield store
    await store.close()


async def test_its_sessions_are_what_they_were(store):
    session = await store.load("ses_a")
    assert (session.version, session.status, session.closed_at) == (7, SessionStatus.CLOSED, at(6))
    assert (session.owner, session.title, session.instructions) == ("alice", "Grüße", "Be brief.")
    assert [turn.status for turn in session.turns] == [TurnStatus.COMPLETED, TurnStatus.FAILED]
    assert session.turns[0].messages[0].parts == session.turns[0].output == EVERY_PART
    assert {it.provenance for it in await store.history("ses_a")} == {ALICE}


async def test_its_chain_is_computed_as_it_was(store):
    found = await store.verify("ses_a")
    assert (found.valid, found.events, found.head) == (True, 7, HEAD_OF_A)
    assert [it.hash for it in await store.history("ses_a")][-1] == HEAD_OF_A


async def test_its_list_can_be_read(store):
    listed = (await store.find(SessionQuery(owner="alice"))).sessions
    assert [(it.id, it.title, it.metadata) for it in listed] == [("ses_a", "Grüße", {"k": "v"}), ("ses_b", None, {})]
    labelled = await store.find(SessionQuery(owner="alice", metadata={"k": "v"}))
    assert [it.id for it in labelled.sessions] == ["ses_a"]


async def test_its_sessions_go_on(store):
    assert await store.active() == ("ses_b",)
    session = await store.load("ses_b")
    for decide in (lambda it: interrupt(it, at=NOON), ask, answer):
        session = await store.append(session, decide(session), ALICE)
    assert await store.load("ses_b") == session
    assert ((await store.verify("ses_b")).valid, session.version) == (True, 5)


async def test_what_was_erased_stays_erased_and_verifies(store):
    with pytest.raises(NotFound):
        await store.load("ses_erased")
    assert (await store.verify("ses_erased")).valid
