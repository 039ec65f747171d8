"""An export alone is enough to have the session's state again."""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.domain.errors import Conflict, InvalidRequest, NotFound
from pluggably.domain.session import Session, close, reset
from pluggably.entrypoints.composition.audit import open_export_reader

from ...session_builders import ALICE, EVERY_PART, NOON, answer, ask, fail, opened
from ..sessions.test_folder_of_version_1 import FOLDER_V1
from .exports import Stream, an_export, exported, stream_of

DECISIONS = {
    "ask": ask,
    "answer": lambda it: answer(it, *EVERY_PART),
    "fail": fail,
    "reset": lambda it: reset(it, at=NOON),
    "close": lambda it: close(it, at=NOON),
}


async def lived(folder: Path, decisions: list[str]) -> tuple[list[Session], Stream]:
    """The states of a session after each of its events, and its stream."""
    store = sqlite_sessions(folder)
    try:
        states = [await store.append(Session(id="ses_a"), (opened(title="Grüße"),), ALICE)]
        for name in decisions:
            try:
                decided = DECISIONS[name](states[-1])
            except Conflict:
                continue
            if decided:
                states.append(await store.append(states[-1], decided, ALICE))
        return states, await stream_of(store, "ses_a")
    finally:
        await store.close()


@settings(max_examples=20, deadline=None)
@given(decisions=st.lists(st.sampled_from(["ask", "answer", "ask", "answer", "fail", "reset", "close"]), max_size=12))
def test_an_export_folds_to_the_stored_state_at_every_version(decisions):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        states, stream = asyncio.run(lived(folder, decisions))
        lines = exported((stream,), folder)
    reader = open_export_reader()
    assert reader.examine(lines).events == len(states)
    assert reader.replay(lines, "ses_a") == states[-1]
    assert [reader.replay(lines, "ses_a", to=it.version) for it in states] == states


def test_nothing_is_replayed_from_an_export_that_is_not_whole():
    lines = list(an_export())
    del lines[4]
    with pytest.raises(InvalidRequest, match="verify it first"):
        open_export_reader().replay(lines, "ses_a")


@pytest.mark.parametrize(("session_id", "to"), [("ses_x", None), ("ses_a", 8), ("ses_a", 0), ("ses_c", None)])
def test_what_an_export_does_not_have_is_said(session_id, to):
    with pytest.raises(NotFound):
        open_export_reader().replay(an_export(), session_id, to=to)


async def test_a_session_of_stored_format_1_is_exported_and_replayed(tmp_path):
    (tmp_path / "master.key").write_bytes(bytes(range(32)))
    for name in ("sessions", "keys"):
        with closing(sqlite3.connect(tmp_path / f"{name}.sqlite")) as connection:
            connection.executescript((FOLDER_V1 / f"{name}.sql").read_text())
    store = sqlite_sessions(tmp_path)
    try:
        session = await store.load("ses_b")
        for decide in (fail, ask):  # format 2 goes on where format 1 ended
            session = await store.append(session, decide(session), ALICE)
        lines = exported((await stream_of(store, "ses_b"), await stream_of(store, "ses_erased")), tmp_path)
    finally:
        await store.close()
    found = open_export_reader().examine(lines)
    assert (found.fault, found.uncommitted, found.sessions) == (None, 2, 2)
    assert open_export_reader().replay(lines, "ses_b") == session
