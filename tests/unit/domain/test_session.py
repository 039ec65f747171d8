"""What may happen in a session, and what later turns are told of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.errors import SessionBusy, SessionClosed, VersionConflict
from pluggably.domain.generation import Role
from pluggably.domain.model import Modality
from pluggably.domain.session import (
    CANCELLED,
    INTERRUPTED,
    SessionStatus,
    TurnStatus,
    close,
    context,
    expect_version,
    interrupt,
    reset,
)

from ...session_builders import NOON, a_session, after, answer, ask, at, fail


def said(session) -> list[str]:
    return [message.text for message in context(session)]


def test_the_context_is_the_instructions_and_then_what_was_said():
    session = a_session(turns=2, instructions="Be brief.")
    assert said(session) == ["Be brief.", "Question 1", "Answer 1", "Question 2", "Answer 2"]
    assert [it.role for it in context(session)][:3] == [Role.SYSTEM, Role.USER, Role.ASSISTANT]


def test_a_turn_that_runs_is_not_in_the_context_yet():
    session = a_session(turns=1)
    assert context(after(session, ask(session))) == context(session)


@pytest.mark.parametrize("code", ["runner_crashed", CANCELLED, INTERRUPTED])
def test_a_failed_turn_stays_in_the_history_and_never_enters_the_context(code):
    session = a_session(turns=1)
    asked = after(session, ask(session, "Lost question"))
    failed = after(asked, fail(asked, code))
    assert failed.turns[-1].error_code == code
    assert context(failed) == context(session)
    answered = after(failed, ask(failed, "Next question"))
    answered = after(answered, answer(answered, "Next answer"))
    assert said(answered) == ["Question 1", "Answer 1", "Next question", "Next answer"]


def test_a_cancelled_turn_is_not_called_failed():
    asked = after(a_session(), ask(a_session()))
    assert after(asked, fail(asked, CANCELLED)).turns[-1].status is TurnStatus.CANCELLED
    assert after(asked, fail(asked, "provider_error")).turns[-1].status is TurnStatus.FAILED


def test_a_reset_starts_a_new_context_and_keeps_the_history():
    session = a_session(turns=2, instructions="Be brief.")
    session = after(session, reset(session, at=NOON))
    assert said(session) == ["Be brief."]
    assert len(session.turns) == 2
    session = after(session, ask(session, "Question 3"))
    assert session.turns[-1].number == 3
    assert said(after(session, answer(session, "Answer 3"))) == ["Be brief.", "Question 3", "Answer 3"]


def test_a_closed_session_refuses_a_turn_and_says_since_when():
    closed = after(a_session(turns=1), close(a_session(turns=1), at=at(5)))
    assert (closed.status, closed.closed_at) == (SessionStatus.CLOSED, at(5))
    for refused in (lambda: ask(closed), lambda: reset(closed, at=NOON)):
        with pytest.raises(SessionClosed) as error:
            refused()
        assert error.value.closed_at == at(5)


def test_closing_a_closed_session_changes_nothing():
    closed = after(a_session(), close(a_session(), at=NOON))
    assert close(closed, at=at(9)) == ()


def test_while_a_turn_runs_the_session_is_busy():
    busy = after(a_session(), ask(a_session()))
    for refused in (lambda: ask(busy), lambda: reset(busy, at=NOON), lambda: close(busy, at=NOON)):
        with pytest.raises(SessionBusy, match="turn 1"):
            refused()


def test_a_turn_ends_once():
    session = a_session(turns=1)
    for refused in (lambda: answer(session), lambda: fail(session)):
        with pytest.raises(VersionConflict):
            refused()


def test_a_turn_that_the_end_of_the_service_cut_off_is_ended_as_interrupted():
    busy = after(a_session(), ask(a_session()))
    ended = after(busy, interrupt(busy, at=at(1)))
    assert (ended.active_turn, ended.turns[-1].error_code) == (None, INTERRUPTED)
    assert interrupt(ended, at=at(2)) == ()


def test_only_the_version_that_was_seen_may_be_changed():
    session = a_session(turns=1)
    expect_version(session, None)
    expect_version(session, 3)
    for version in (0, 2, 4):
        with pytest.raises(VersionConflict, match="version 3"):
            expect_version(session, version)


def test_modalities_are_named_in_the_order_of_their_first_use():
    session = a_session()
    for modality in (Modality.IMAGE, Modality.TEXT, Modality.IMAGE):
        session = after(session, ask(session, modality=modality))
        session = after(session, answer(session))
    assert session.modalities == (Modality.IMAGE, Modality.TEXT)


def test_the_last_event_is_the_last_activity():
    session = after(a_session(), ask(a_session(), when=at(7)))
    assert (session.created_at, session.last_activity_at) == (NOON, at(7))


@given(ends=st.lists(st.booleans(), max_size=8), instructions=st.none() | st.just("Be brief."))
def test_the_next_context_begins_with_this_one(ends, instructions):
    session = a_session(instructions=instructions)
    for number, succeeds in enumerate(ends):
        before = context(session)
        session = after(session, ask(session, f"Question {number}"))
        session = after(session, answer(session, f"Answer {number}") if succeeds else fail(session))
        assert context(session)[: len(before)] == before
        assert len(context(session)) == len(before) + 2 * succeeds
