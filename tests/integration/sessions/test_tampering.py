"""Whatever is changed in the stored events, the check of the chain names the first version that is not right."""

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.domain.errors import GatewayError

from ...contracts.session_store import a_stored_session

VERSIONS = 7
STATE = "SELECT state FROM stored_events WHERE originator_id = ? AND originator_version = ?"


def on_disk(folder: Path, statement: str, *values):
    with closing(sqlite3.connect(folder / "sessions.sqlite")) as connection, connection:
        return connection.execute(statement, values).fetchall()


@pytest.fixture
async def folder(tmp_path):
    """Two sessions of 7 events each, `ses_a` and `ses_b`."""
    store = sqlite_sessions(tmp_path)
    await a_stored_session(store, "ses_a", turns=3)
    await a_stored_session(store, "ses_b", turns=3)
    await store.close()
    return tmp_path


async def broken_at(folder: Path, session_id: str = "ses_a") -> int | None:
    store = sqlite_sessions(folder)
    try:
        found = await store.verify(session_id)
    finally:
        await store.close()
    assert found.valid == (found.broken_at is None)
    return found.broken_at


async def load(folder: Path, session_id: str = "ses_a"):
    store = sqlite_sessions(folder)
    try:
        return await store.load(session_id)
    finally:
        await store.close()


async def history(folder: Path, **piece: int):
    store = sqlite_sessions(folder)
    try:
        return await store.history("ses_a", **piece)
    finally:
        await store.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(version=st.integers(1, VERSIONS), place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
async def test_any_byte_that_was_changed(folder, version, place, flip):
    ((original,),) = on_disk(folder, STATE, "ses_a", version)
    changed = bytearray(original)
    changed[int(place * len(changed))] ^= flip
    update = "UPDATE stored_events SET state = ? WHERE originator_id = 'ses_a' AND originator_version = ?"
    on_disk(folder, update, bytes(changed), version)
    assert await broken_at(folder) == version
    assert await broken_at(folder, "ses_b") is None
    on_disk(folder, update, original, version)
    assert await broken_at(folder) is None


def forged(state: bytes, version: int, topic: str) -> bytes:
    """The state with its last byte changed and a hash that is right again, which needs no key."""
    body = state[32:-1] + bytes([state[-1] ^ 1])
    place = f'["ses_a",{version},"{topic}"]'.encode()
    assert sha256(place + state[32:]).digest() == state[:32]
    return sha256(place + body).digest() + body


@pytest.mark.parametrize(("version", "topic"), [(1, "session.opened.v3"), (4, "turn.requested.v2")])
async def test_an_event_that_was_changed_together_with_its_hash_shows_in_the_next_one(folder, version, topic):
    ((state,),) = on_disk(folder, STATE, "ses_a", version)
    on_disk(folder, "UPDATE stored_events SET state = ? WHERE state = ?", forged(state, version, topic), state)
    assert await broken_at(folder) == version + 1
    with pytest.raises(GatewayError, match=f"Event {version} of session ses_a"):
        await load(folder)


async def test_a_last_event_that_was_changed_together_with_its_hash_shows_in_the_list(folder):
    ((state,),) = on_disk(folder, STATE, "ses_a", VERSIONS)
    changed = forged(state, VERSIONS, "turn.completed.v3")
    on_disk(folder, "UPDATE stored_events SET state = ? WHERE state = ?", changed, state)
    assert await broken_at(folder) == VERSIONS


async def test_sealed_bytes_that_were_changed_are_not_folded_either(folder):
    ((state,),) = on_disk(folder, STATE, "ses_a", 3)
    changed = state[:-1] + bytes([state[-1] ^ 1])
    on_disk(folder, "UPDATE stored_events SET state = ? WHERE state = ?", changed, state)
    with pytest.raises(GatewayError, match="Event 3 of session ses_a"):
        await load(folder)


async def test_an_author_that_was_changed_does_not_open(folder):
    ((state,),) = on_disk(folder, STATE, "ses_a", 3)
    on_disk(folder, "UPDATE stored_events SET state = ? WHERE state = ?", state.replace(b"alice", b"mallo"), state)
    assert await broken_at(folder) == 3
    with pytest.raises(GatewayError):
        await load(folder)


@pytest.mark.parametrize("version", [1, 4, VERSIONS])
async def test_an_event_that_was_deleted(folder, version):
    on_disk(folder, "DELETE FROM stored_events WHERE originator_id = 'ses_a' AND originator_version = ?", version)
    assert await broken_at(folder) == version


@pytest.mark.parametrize("version", [1, 4, VERSIONS])
async def test_what_is_left_of_a_stream_is_not_shown_as_the_whole(folder, version):
    on_disk(folder, "DELETE FROM stored_events WHERE originator_id = 'ses_a' AND originator_version = ?", version)
    pieces = ({}, {"after": version - 1, "limit": 1})
    for read in (lambda: load(folder), *(lambda piece=piece: history(folder, **piece) for piece in pieces)):
        with pytest.raises(GatewayError, match=f"Event {version} of session ses_a is missing"):
            await read()


async def test_every_event_that_was_deleted(folder):
    on_disk(folder, "DELETE FROM stored_events WHERE originator_id = 'ses_a'")
    assert await broken_at(folder) == 1
    with pytest.raises(GatewayError, match="Event 1 of session ses_a is missing"):
        await load(folder)


async def test_two_events_that_changed_places(folder):
    renumber = (
        "UPDATE stored_events SET originator_version = ? WHERE originator_id = 'ses_a' AND originator_version = ?"
    )
    for new, old in ((99, 3), (3, 5), (5, 99)):
        on_disk(folder, renumber, new, old)
    assert await broken_at(folder) == 3
    with pytest.raises(GatewayError):
        await load(folder)


async def test_an_event_of_another_session(folder):
    on_disk(folder, "DELETE FROM stored_events WHERE originator_id = 'ses_a' AND originator_version = 6")
    move = "UPDATE stored_events SET originator_id = 'ses_a' WHERE originator_id = 'ses_b' AND originator_version = 6"
    on_disk(folder, move)
    assert await broken_at(folder) == 6
    assert await broken_at(folder, "ses_b") == 6
    with pytest.raises(GatewayError):
        await load(folder)


@pytest.mark.parametrize("topic", ["session.reset.v1", "os.system"])
async def test_a_topic_that_was_changed(folder, topic):
    change = "UPDATE stored_events SET topic = ? WHERE originator_id = 'ses_a' AND originator_version = 2"
    on_disk(folder, change, topic)
    assert await broken_at(folder) == 2
    with pytest.raises(GatewayError):
        await load(folder)


async def test_events_that_the_list_does_not_know(folder):
    on_disk(folder, "UPDATE session_list SET version = 5 WHERE id = 'ses_a'")
    assert await broken_at(folder) == 6
