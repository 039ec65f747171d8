"""A session that is opened from a snapshot is what all its events add up to, and nothing depends on a snapshot."""

import itertools
import sqlite3
from contextlib import closing

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluggably.adapters.sessions import snapshots
from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.domain.errors import GatewayError
from pluggably.domain.session import (
    Changes,
    Session,
    change,
    erase,
    fold,
    fork,
    hold,
    reset,
    tell_fork,
)

from ...contracts.session_store import a_stored_session
from ...session_builders import ALICE, EVERY_PART, NOON, a_session, after, answer, ask, at, fail, opened

EVERY = 7
_NUMBERS = itertools.count()
_IN_ONE_PLACE = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)

STEPS = {
    "turn": lambda it: (*ask(it, when=at(it.version)), *answer(after(it, ask(it)), *EVERY_PART, when=at(it.version))),
    "ask": lambda it: ask(it, f"Question {it.version}", metadata={"a": "b"}, when=at(it.version)),
    "answer": lambda it: answer(it, f"Answer {it.version}", when=at(it.version)),
    "fail": lambda it: fail(it, when=at(it.version)),
    "reset": lambda it: reset(it, at=at(it.version)),
    "change": lambda it: change(it, Changes(title=f"{it.version}", metadata={"v": f"{it.version}"}), at=at(it.version)),
    "hold": lambda it: hold(it, f"case {it.version}", at=at(it.version)),
    "fork": lambda it: tell_fork(it, fold("ses_f", fork(it, at=NOON)), at=at(it.version)),
}
BUSY, IDLE = ("answer", "fail"), ("turn", "ask", "reset", "change", "hold", "fork")


class SqlitePlace:
    """Sessions in a folder."""

    def __init__(self, folder):
        self.folder = folder

    def open(self, every=EVERY):
        return sqlite_sessions(self.folder, snapshot_every=every)

    def run(self, statement, *values):
        with closing(sqlite3.connect(self.folder / "sessions.sqlite")) as connection, connection:
            return connection.execute(statement, values).fetchall()


class PostgresPlace:
    """Sessions in a database."""

    def __init__(self, url, folder):
        self.url, self.folder = url, folder

    def open(self, every=EVERY):
        return postgres_sessions(self.url, self.folder, snapshot_every=every)

    def run(self, statement, *values):
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """Where sessions are stored: what is in its tables can be looked at, and changed."""
    if request.param == "sqlite":
        return SqlitePlace(tmp_path)
    return PostgresPlace(request.getfixturevalue("database"), tmp_path)


@pytest.fixture
async def store(place):
    store = place.open()
    yield store
    await store.close()


@st.composite
def streams(draw):
    """The events of a session, in the pieces in which they are appended; it may begin as a fork that has turns."""
    turns = draw(st.integers(0, 2 * EVERY))
    origin = a_session("ses_o", turns=turns, title="Trip", instructions="Be brief.")
    appends = [fork(origin, at=NOON) if turns else (opened(metadata={"k": "v"}),)]
    session = fold("ses_s", appends[0])
    for _ in range(draw(st.integers(0, 4 * EVERY))):
        step = STEPS[draw(st.sampled_from(BUSY if session.active_turn else IDLE))]
        appends.append(step(session))
        session = after(session, appends[-1])
    return appends


def versions(place, session_id="ses_a") -> list[int]:
    """Of which versions of the session there are snapshots."""
    rows = place.run("SELECT version FROM session_snapshots WHERE session_id = ? ORDER BY version", session_id)
    return [version for (version,) in rows]


def forget_events(place, before) -> None:
    """Take away the early events that nobody reads who has snapshots: all but those that these are bound to."""
    place.run(
        "DELETE FROM stored_events WHERE originator_id = 'ses_a' AND originator_version < ?"
        " AND originator_version NOT IN (SELECT version FROM session_snapshots)",
        before,
    )


async def events_of(store, session_id="ses_a"):
    return [it.event for it in await store.history(session_id)]


@_IN_ONE_PLACE
@given(appends=streams(), again=st.randoms(use_true_random=False))
async def test_a_snapshot_and_what_came_after_it_are_the_fold_of_all_events(place, store, appends, again):
    session = Session(id=f"ses_{next(_NUMBERS)}")
    for events in appends:
        if session.version and again.random() < 0.3:  # as another process would, or a later request
            session = await store.load(session.id)
        session = await store.append(session, events, ALICE)
    events = [event for events in appends for event in events]
    assert session == await store.load(session.id) == fold(session.id, events)
    assert await events_of(store, session.id) == events
    for version in range(1, len(events) + 1):
        assert await store.load(session.id, at_version=version) == fold(session.id, events[:version])
    assert len(versions(place, session.id)) <= len(events) // EVERY + 1
    assert versions(place, session.id) or len(events) < EVERY or session.active_turn


async def test_only_what_came_after_the_newest_snapshot_is_read(place, store):
    session = await a_stored_session(store, turns=12)
    assert versions(place) == [7, 15, 23]
    forget_events(place, 23)
    assert await store.load("ses_a") == await store.load("ses_a", at_version=25) == session
    with pytest.raises(GatewayError, match="Event 16 of session ses_a is missing"):
        await store.load("ses_a", at_version=22)


async def test_a_snapshot_holds_only_the_turns_since_the_one_before(place, store):
    await a_stored_session(store, turns=40)
    sizes = [size for (size,) in place.run("SELECT length(sealed) FROM session_snapshots")]
    assert len(sizes) == 10
    assert max(sizes) < 1.5 * min(sizes)


async def test_no_turn_that_runs_is_in_a_snapshot(place, store):
    session = await a_stored_session(store, turns=2)
    session = await store.append(session, (*reset(session, at=NOON), *ask(session)), ALICE)
    assert (session.version, versions(place)) == (7, [])
    session = await store.append(session, answer(session), ALICE)
    assert versions(place) == [8]
    assert await store.load("ses_a") == session


async def test_a_fork_that_brings_many_turns_has_a_snapshot_at_once(place, store):
    origin = await a_stored_session(store, turns=EVERY)
    copy = await store.append(Session(id="ses_f"), fork(await store.load(origin.id), at=NOON), ALICE)
    assert versions(place, "ses_f") == [1]
    assert await store.load("ses_f") == copy
    assert copy.turns == origin.turns
    copy = await store.append(copy, ask(copy), ALICE)
    assert await store.load("ses_f") == copy


async def test_a_session_goes_on_from_a_snapshot_after_a_restart(place):
    store = place.open()
    session = await a_stored_session(store, turns=5)
    await store.close()
    store = place.open()
    assert await store.load("ses_a") == session
    for decide in (ask, answer, ask, fail) * 3:
        session = await store.append(await store.load("ses_a"), decide(session), ALICE)
    assert session == fold("ses_a", await events_of(store))
    assert (await store.verify("ses_a")).valid
    assert versions(place) == [7, 15, 23]
    await store.close()


async def test_a_long_session_without_a_snapshot_gets_one_by_its_next_append(place):
    store = place.open(every=10_000)
    session = await a_stored_session(store, turns=20)
    await store.close()
    assert versions(place) == []
    store = place.open()
    session = await store.append(await store.load("ses_a"), reset(session, at=NOON), ALICE)
    assert versions(place) == [42]
    assert await store.load("ses_a") == session
    await store.close()


@pytest.fixture
async def long(store):
    """A session of 26 events, with snapshots of 7, 15 and 23."""
    session = await a_stored_session(store, turns=12)
    return await store.append(session, ask(session), ALICE)


@_IN_ONE_PLACE
@given(version=st.sampled_from([7, 15, 23]), spot=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
async def test_a_snapshot_with_any_byte_changed_is_not_used(place, store, long, *, version, spot, flip):
    put = "UPDATE session_snapshots SET sealed = ? WHERE session_id = 'ses_a' AND version = ?"
    ((original,),) = place.run("SELECT sealed FROM session_snapshots WHERE version = ?", version)
    changed = bytearray(original)
    changed[int(spot * len(changed))] ^= flip
    place.run(put, bytes(changed), version)
    assert await store.load("ses_a") == long
    events = await events_of(store)
    for at_version in (version, version + 1):
        assert await store.load("ses_a", at_version=at_version) == fold("ses_a", events[:at_version])
    assert (await store.verify("ses_a")).valid
    place.run(put, original, version)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE session_snapshots SET format = 99",
        "UPDATE session_snapshots SET sealed = ''",
        "DELETE FROM session_snapshots WHERE version = 7",
        "UPDATE session_snapshots SET version = version + 1",
        "UPDATE session_snapshots SET session_id = 'ses_b'",
    ],
)
async def test_where_snapshots_cannot_be_used_the_events_are_folded_and_the_next_append_takes_one(
    place, store, long, change
):
    await a_stored_session(store, "ses_b", turns=3)
    place.run("DELETE FROM session_snapshots WHERE session_id = 'ses_b'")
    place.run(change)
    assert await store.load("ses_a") == long
    assert (await store.load("ses_b")).version == 7
    session = await store.append(await store.load("ses_a"), answer(long), ALICE)
    assert 27 in versions(place)
    forget_events(place, 27)
    assert await store.load("ses_a") == session


async def test_the_good_snapshots_before_one_that_is_spoilt_are_used(place, store, long):
    ((original,),) = place.run("SELECT sealed FROM session_snapshots WHERE version = 15")
    place.run("UPDATE session_snapshots SET sealed = '' WHERE version = 15")
    forget_events(place, 7)
    assert await store.load("ses_a") == long
    session = await store.append(await store.load("ses_a"), answer(long), ALICE)
    for _ in range(4):
        session = await store.append(session, ask(session), ALICE)
        session = await store.append(session, answer(session), ALICE)
    assert versions(place) == [7, 15, 23, 27, 35]
    assert await store.load("ses_a") == session
    place.run("UPDATE session_snapshots SET sealed = ? WHERE version = 15", original)
    assert await store.load("ses_a") == session


async def test_a_snapshot_of_another_past_is_not_used(place, store):
    """As if the database had been set back to version 3, and had gone on otherwise."""
    past = await a_stored_session(store, turns=1)
    tip = (await store.history("ses_a"))[-1].hash
    await after_two_turns(store, past, "Once")
    ((once,),) = place.run("SELECT sealed FROM session_snapshots")
    place.run("DELETE FROM stored_events WHERE originator_version > 3")
    place.run("UPDATE session_list SET version = 3, turns = 1, tip = ?", tip)
    session = await after_two_turns(store, past, "Then")
    place.run("UPDATE session_snapshots SET sealed = ?", once)
    assert versions(place) == [7]
    assert await store.load("ses_a") == session
    assert [turn.output[0].text for turn in (await store.load("ses_a")).turns] == ["Answer 1", "Then", "Then"]


async def after_two_turns(store, session, words):
    for _ in range(2):
        session = await store.append(session, ask(session), ALICE)
        session = await store.append(session, answer(session, words), ALICE)
    return session


async def test_what_was_stored_and_spoilt_is_still_found_by_the_check_of_the_chain(place, store, long):
    forget_events(place, 2)
    assert await store.load("ses_a") == long
    found = await store.verify("ses_a")
    assert (found.valid, found.broken_at) == (False, 1)


async def test_erasing_a_session_removes_its_snapshots(place, store, long):
    await a_stored_session(store, "ses_b", turns=4)
    session = await store.append(long, answer(long), ALICE)
    receipt = await store.erase(session, *erase(session, at=NOON), ALICE)
    assert receipt.snapshots == 3
    assert (versions(place), versions(place, "ses_b")) == ([], [7])
    assert (await store.verify("ses_a")).valid


async def test_no_content_is_readable_in_a_snapshot(place, store):
    await a_stored_session(store, turns=4, title="SECRET title", metadata={"k": "SECRET"}, instructions="SECRET too")
    ((sealed,),) = place.run("SELECT sealed FROM session_snapshots")
    assert b"SECRET" not in sealed
    assert b"Question" not in sealed


async def test_what_is_too_large_for_a_snapshot_is_stored_without_one(place, store, monkeypatch):
    monkeypatch.setattr(snapshots, "_LARGEST_BYTES", 3_000)
    session = await a_stored_session(store, turns=12)
    assert versions(place) == [7]
    assert await store.load("ses_a") == session
