"""Whatever is done to the stored log, its check names the place; on SQLite and on PostgreSQL."""

import re
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pluggably.application.log import LogFault
from pluggably.domain.merkle import TreeHead
from pluggably.domain.session import SessionReset, erase

from ...contracts.session_store import a_stored_session
from ...session_builders import ALICE, NOON
from .logs import CHECKPOINTS, EVENTS, PLACES, Log, a_log

each_example = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
positions = st.integers(1, EVENTS)


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request, tmp_path):
    return Log(tmp_path, request.getfixturevalue("database") if request.param == "postgres" else None)


@pytest.fixture
async def log(empty):
    yield await a_log(empty)
    await empty.store.close()


@pytest.fixture
async def sqlite_log(tmp_path):
    log = await a_log(Log(tmp_path))
    yield log
    await log.store.close()


async def fault_of(log: Log) -> LogFault:
    found = await log.verify()
    assert found.fault is not None
    return found.fault


def where(fault: LogFault) -> tuple:
    return fault.session_id, fault.version


async def test_a_log_that_nobody_touched_is_whole(log):
    found = await log.verify()
    assert (found.fault, found.events, found.sessions, found.checkpoints) == (None, 19, 3, 3)
    assert (found.uncovered, found.uncopied) == (3, 0)


async def test_an_empty_log_is_whole(empty):
    assert (await empty.verify()).fault is None
    assert await empty.checkpoints.make() is None
    await empty.store.close()


async def test_the_log_of_an_erased_session_is_whole(log):
    session = await log.store.load("ses_b")
    await log.store.erase(session, *erase(session, at=NOON), ALICE)
    assert (await log.verify()).fault is None


async def test_a_log_of_many_events_is_read_to_its_end(empty):
    session = await a_stored_session(empty.store, "ses_a")
    for _ in range(5):
        session = await empty.store.append(session, (SessionReset(at=NOON),) * 500, ALICE)
        await empty.checkpoints.make()
    found = await empty.verify()
    assert (found.fault, found.events, found.sessions, found.checkpoints) == (None, 2_501, 1, 5)
    state = empty.state("ses_a", 2_300)
    empty.write("state", state[:-1] + bytes([state[-1] ^ 1]), "ses_a", 2_300)
    assert (await fault_of(empty)).position == 2_300
    await empty.store.close()


async def test_a_log_of_long_events_is_read_to_its_end(empty):
    for number in range(60):  # 20 MB
        await a_stored_session(empty.store, f"ses_{number}", instructions="x" * 350_000)
    await empty.checkpoints.make()
    found = await empty.verify()
    assert (found.fault, found.events, found.checkpoints) == (None, 60, 1)
    empty.write("state", empty.state("ses_59", 1) + bytes(17 * 2**20), "ses_59", 1)
    assert (await fault_of(empty)).position == 60
    await empty.store.close()


# ── Events ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@each_example
@given(position=positions, place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
async def test_any_byte_of_an_event_that_was_changed(log, position, place, flip):
    session_id, version = PLACES[position - 1]
    state = log.state(session_id, version)
    changed = bytearray(state)
    changed[int(place * len(changed))] ^= flip
    log.write("state", bytes(changed), session_id, version)
    found = await log.verify()
    assert (*where(found.fault), found.fault.position) == (session_id, version, position)
    log.write("state", state, session_id, version)
    assert (await log.verify()).fault is None


@each_example
@given(
    position=positions, column=st.sampled_from(["originator_id", "topic"]), place=st.integers(0), flip=st.integers(1, 7)
)
async def test_any_letter_of_its_session_or_topic_that_was_changed(log, position, column, place, flip):
    session_id, version = PLACES[position - 1]
    (text,) = log.read(column, session_id, version)
    changed = bytearray(text.encode())
    changed[place % len(changed)] ^= flip
    assume(column == "topic" or (changed.decode(), version) not in PLACES)
    log.write(column, changed.decode(), session_id, version)
    fault = await fault_of(log)
    stored_as = changed.decode() if column == "originator_id" else session_id
    assert (*where(fault), fault.position) == (stored_as, version, position)
    log.write(column, text, stored_as, version)
    assert (await log.verify()).fault is None


@pytest.mark.parametrize("value", ["CAST(x'7365ff' AS TEXT)", "x'00'", "17", "''"])
@pytest.mark.parametrize("column", ["originator_id", "originator_version", "topic", "state"])
async def test_what_is_not_even_of_its_type(sqlite_log, column, value):
    sqlite_log.run(f"UPDATE stored_events SET {column} = {value} WHERE notification_id = 5")  # noqa: S608
    assert (await fault_of(sqlite_log)).position == 5


@each_example
@given(position=positions)
async def test_an_event_that_was_dropped(log, position):
    session_id, version = PLACES[position - 1]
    columns = "notification_id, originator_id, originator_version, topic, state"
    row = log.read(columns, session_id, version)
    log.delete(session_id, version - 1, version)
    fault = await fault_of(log)
    assert where(fault) == (session_id, version)
    assert "is missing" in fault.what
    again = "OVERRIDING SYSTEM VALUE" if log.database else ""
    log.run(f"INSERT INTO stored_events ({columns}) {again} VALUES (?, ?, ?, ?, ?)", *row)  # noqa: S608
    assert (await log.verify()).fault is None


async def test_two_events_of_a_session_that_were_swapped(log):
    log.exchange("originator_version", ("ses_a", 3), ("ses_a", 5))
    assert where(await fault_of(log)) == ("ses_a", 5)  # that is what stands third


async def test_two_events_of_a_session_that_changed_places_in_the_log(log):
    log.exchange("notification_id", ("ses_a", 3), ("ses_a", 5))
    fault = await fault_of(log)
    assert (*where(fault), fault.position) == ("ses_a", 3, 3)
    assert "version 5 stands there" in fault.what


async def test_two_events_of_different_sessions_that_changed_places_in_the_log(log):
    log.exchange("notification_id", ("ses_b", 7), ("ses_a", 8))
    fault = await fault_of(log)
    assert (fault.session_id, fault.checkpoint, fault.kept_in) == (None, 14, "database")
    assert "events from 8 to 14" in fault.what


async def test_an_event_that_was_moved_to_another_session(log):
    log.delete("ses_b", 5, 6)
    log.write("originator_id", "ses_b", "ses_a", 6)
    fault = await fault_of(log)
    assert (*where(fault), fault.position) == ("ses_b", 6, 6)


async def test_an_event_that_was_moved_to_the_end_of_another_session(log):
    log.run("UPDATE stored_events SET originator_id = 'ses_c', originator_version = 4 WHERE notification_id = 16")
    fault = await fault_of(log)
    assert (*where(fault), fault.position) == ("ses_c", 4, 16)


async def test_an_event_that_was_added(log):
    state = log.state("ses_c", 3)
    statement = "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?, ?, ?, ?)"
    log.run(statement, "ses_c", 4, "turn.completed.v3", state)
    assert where(await fault_of(log)) == ("ses_c", 4)


async def test_the_end_of_a_session_that_was_cut_off(log):
    log.delete("ses_b", 5)
    fault = await fault_of(log)
    assert where(fault) == ("ses_b", 6)
    assert "the list has 7 events" in fault.what


async def test_the_end_of_a_session_that_was_cut_off_together_with_its_place_in_the_list(log):
    log.delete("ses_b", 5)
    log.relist("ses_b", 5)
    fault = await fault_of(log)
    assert (fault.session_id, fault.checkpoint, fault.kept_in) == (None, 14, "database")
    assert "events from 8 to 14" in fault.what


async def test_the_end_of_the_log_that_was_cut_off_together_with_its_places_in_the_list(log):
    for session_id in ("ses_c", "ses_b"):
        log.delete(session_id)
        log.run("DELETE FROM session_list WHERE id = ?", session_id)
    log.delete("ses_a", 7)
    log.relist("ses_a", 7)
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in) == (14, "database")
    assert "after 7 the log was cut off" in fault.what


async def test_a_session_that_was_removed_altogether(log):
    log.delete("ses_b")
    log.run("DELETE FROM session_list WHERE id = 'ses_b'")
    fault = await fault_of(log)
    assert (fault.session_id, fault.checkpoint, fault.kept_in) == (None, 14, "database")


async def test_a_session_that_was_removed_from_the_list(log):
    log.run("DELETE FROM session_list WHERE id = 'ses_b'")
    fault = await fault_of(log)
    assert where(fault) == ("ses_b", 1)
    assert "not in the list" in fault.what


@pytest.mark.parametrize(("version", "named"), [(6, 7), (8, 8), (0, 1)])
async def test_a_version_that_was_changed_in_the_list(log, version, named):
    log.run("UPDATE session_list SET version = ? WHERE id = 'ses_b'", version)
    assert where(await fault_of(log)) == ("ses_b", named)


async def test_a_last_hash_that_was_changed_in_the_list(log):
    log.run("UPDATE session_list SET tip = ? WHERE id = 'ses_b'", log.state("ses_b", 6)[:32].hex())
    fault = await fault_of(log)
    assert where(fault) == ("ses_b", 7)
    assert "not the last event that the list names" in fault.what


@pytest.mark.parametrize(
    ("session_id", "version", "last", "size"), [("ses_a", 4, 9, 7), ("ses_b", 1, 7, 14), ("ses_a", 9, 9, 16)]
)
async def test_a_history_that_was_written_anew_with_every_hash(log, session_id, version, last, size):
    log.rewrite(session_id, version, last)
    assert (await log.store.verify(session_id)).valid  # the chain alone cannot tell
    fault = await fault_of(log)
    assert (fault.session_id, fault.checkpoint, fault.kept_in) == (None, size, "database")
    assert "says another history" in fault.what


async def test_a_fault_in_an_event_is_named_rather_than_the_checkpoint_before_it(log):
    log.delete("ses_a", 4, 5)  # which spoils the checkpoint of 7 events as well
    log.delete("ses_b", 4, 5)
    assert where(await fault_of(log)) == ("ses_a", 5)


# ── Checkpoints ───────────────────────────────────────────────────────────────────────────────────────────────────────


def notes_of(log: Log) -> list[str]:
    return list(log.second_place.notes())


def rewrite_file(log: Log, notes: Iterable[str]) -> None:
    log.file.write_text("".join(f"{it}\n" for it in notes))


@pytest.mark.parametrize("size", CHECKPOINTS)
async def test_a_checkpoint_that_was_removed_from_the_database(log, size):
    log.run("DELETE FROM log_checkpoints WHERE size = ?", size)
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in) == (size, "database")
    assert "is missing" in fault.what


@pytest.mark.parametrize("size", CHECKPOINTS[:-1])
async def test_a_checkpoint_that_was_removed_from_the_second_place(log, size):
    rewrite_file(log, [it for it in notes_of(log) if f"\n{size}\n" not in it])
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in) == (size, "second_place")
    assert "is missing" in fault.what


async def test_checkpoints_at_the_end_that_the_second_place_lacks_are_counted(log):
    rewrite_file(log, notes_of(log)[:1])
    found = await log.verify()
    assert (found.fault, found.uncopied) == (None, 2)


@each_example
@given(size=st.sampled_from(CHECKPOINTS), place=st.integers(0), flip=st.integers(1, 7))
async def test_any_letter_of_a_note_that_was_changed_in_the_database(log, size, place, flip):
    ((note,),) = log.run("SELECT note FROM log_checkpoints WHERE size = ?", size)
    at = place % len(note)
    changed = note[:at] + chr(ord(note[at]) ^ flip) + note[at + 1 :]
    log.run("UPDATE log_checkpoints SET note = ? WHERE size = ?", changed, size)
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in) == (size, "database")
    assert "is not signed" in fault.what
    log.run("UPDATE log_checkpoints SET note = ? WHERE size = ?", note, size)
    assert (await log.verify()).fault is None


@each_example
@given(place=st.integers(0), flip=st.integers(1, 255))
async def test_any_byte_of_the_second_place_that_was_changed(log, place, flip):
    whole = log.file.read_bytes()
    changed = bytearray(whole)
    changed[place % len(whole)] ^= flip
    log.file.write_bytes(changed)
    found = await log.verify()
    if found.fault:
        assert found.fault.kept_in == "second_place"
    else:  # the end of the last note looks as if a power cut had left it so; it is made whole from the database
        assert found.uncopied == 1
        assert place % len(whole) > whole.rindex(b"\n\n", 0, -2)
    log.file.write_bytes(whole)
    assert (await log.verify()).fault is None


async def test_a_note_that_was_changed_in_the_second_place_is_told_by_the_one_before_it(log):
    first, second, third = notes_of(log)
    rewrite_file(log, [first, re.sub("[a-z]", "x", second), third])
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in) == (None, "second_place")
    assert "after that of 7 events" in fault.what


@pytest.mark.parametrize("kept", [0, 1, 3])
async def test_something_else_in_the_second_place(log, kept):
    log.run("DELETE FROM log_checkpoints WHERE size = 16")
    log.file.write_text("".join(f"{it}\n" for it in notes_of(log)[:kept]) + "Dear diary\n" * 10_000)
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in) == ((16, "database") if kept == 3 else (None, "second_place"))


async def test_a_note_that_stands_twice_in_the_second_place(log):
    first, second, third = notes_of(log)
    rewrite_file(log, [first, second, second, third])
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in, fault.what) == (14, "second_place", "is out of its order")


async def test_notes_that_were_swapped_in_the_second_place(log):
    first, second, third = notes_of(log)
    rewrite_file(log, [first, third, second])
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in) == (14, "second_place")


async def test_a_signed_note_that_tells_another_history(log):
    """As whoever has the signing key can make one."""
    forged = log.notes.sign(TreeHead(14, bytes(32)))
    notes = notes_of(log)
    rewrite_file(log, [notes[0], forged, notes[2]])
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in) == (14, "second_place")
    rewrite_file(log, notes)
    log.run("UPDATE log_checkpoints SET note = ? WHERE size = 14", forged)
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in) == (14, "database")


@pytest.mark.parametrize(
    ("column", "value"),
    [("notification_id", 13), ("notification_id", 15), ("subtrees", b""), ("subtrees", bytes(96))],
    ids=["lower", "higher", "none", "others"],
)
async def test_what_the_next_checkpoint_would_go_on_from(log, column, value):
    log.run(f"UPDATE log_checkpoints SET {column} = ? WHERE size = 14", value)  # noqa: S608
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in) == (14, "database")


@pytest.mark.parametrize("size", [13, 15, 40])
async def test_a_size_that_was_changed_in_the_database(log, size):
    log.run("UPDATE log_checkpoints SET size = ? WHERE size = 14", size)
    fault = await fault_of(log)
    assert (fault.checkpoint, fault.kept_in) in ((14, "database"), (13, "database"))


async def test_only_what_no_checkpoint_covers_can_be_removed_unseen(log):
    log.delete("ses_c")
    log.run("DELETE FROM session_list WHERE id = 'ses_c'")
    found = await log.verify()
    assert (found.fault, found.events, found.uncovered) == (None, 16, 0)
