"""Sessions that are changed, put away, forked and continued."""

import pytest

from pluggably.domain.errors import SessionBusy, SessionClosed, SessionFull
from pluggably.domain.model import Modality
from pluggably.domain.session import (
    Changes,
    ContextPolicy,
    ContextStrategy,
    Origin,
    SessionStatus,
    archive,
    change,
    close,
    context,
    erase,
    fold,
    fork,
    tell_continuation,
    tell_fork,
)

from ...session_builders import NOON, a_session, after, answer, ask, at, fail


def test_what_is_not_named_stays_as_it_is():
    session = a_session(title="Trip", metadata={"k": "v"}, defaults={Modality.TEXT: "tiny"})
    changed = after(session, change(session, Changes(metadata={"a": "b"}), at=at(1)))
    assert (changed.title, changed.metadata, changed.defaults) == ("Trip", {"a": "b"}, {Modality.TEXT: "tiny"})
    assert (changed.version, changed.last_activity_at) == (2, at(1))


def test_an_empty_title_takes_the_title_away():
    session = a_session(title="Trip")
    assert after(session, change(session, Changes(title=""), at=NOON)).title is None


def test_what_changes_nothing_is_not_recorded():
    session = a_session(title="Trip", context=ContextPolicy(ContextStrategy.LAST_TURNS, 3))
    same = Changes(title="Trip", context=ContextPolicy(ContextStrategy.LAST_TURNS, 3))
    assert change(session, same, at=NOON) == ()


def test_an_archived_session_is_closed_since_it_was_closed_first():
    closed = after(a_session(), close(a_session(), at=at(1)))
    archived = after(closed, archive(closed, at=at(2)))
    assert (archived.status, archived.closed_at, archived.archived_at) == (SessionStatus.ARCHIVED, at(1), at(2))
    assert archive(archived, at=at(3)) == close(archived, at=at(3)) == ()
    at_once = after(a_session(), archive(a_session(), at=at(2)))
    assert (at_once.closed_at, at_once.archived_at) == (at(2), at(2))


def test_what_has_ended_is_not_changed_any_more():
    archived = after(a_session(), archive(a_session(), at=NOON))
    for refused in (lambda: change(archived, Changes(title="x"), at=NOON), lambda: ask(archived)):
        with pytest.raises(SessionClosed, match="archived"):
            refused()


def test_while_a_turn_runs_nothing_else_is_decided():
    busy = after(a_session(), ask(a_session()))
    for refused in (
        lambda: change(busy, Changes(title="x"), at=NOON),
        lambda: archive(busy, at=NOON),
        lambda: tell_fork(busy, a_session("ses_b"), at=NOON),
        lambda: tell_continuation(busy, a_session("ses_b"), at=NOON),
    ):
        with pytest.raises(SessionBusy):
            refused()


def test_a_fork_knows_all_that_its_origin_knew_and_goes_its_own_way():
    origin = a_session(turns=2, title="Trip", instructions="Be brief.", metadata={"k": "v"})
    forked = fold("ses_b", fork(origin, at=at(9)))
    assert forked.forked_from == Origin(session_id="ses_a", version=5)
    assert (forked.turns, context(forked)) == (origin.turns, context(origin))
    assert (forked.title, forked.instructions, forked.metadata) == ("Trip", "Be brief.", {"k": "v"})
    assert (forked.version, forked.created_at) == (1, at(9))
    forked = after(forked, ask(forked, "Another question"))
    assert after(forked, answer(forked)).turns[-1].number == 3
    assert len(origin.turns) == 2


def test_a_turn_that_had_not_ended_is_not_in_the_fork():
    busy = after(a_session(turns=1), ask(a_session(turns=1)))
    forked = fold("ses_b", fork(busy, at=NOON))
    assert (len(forked.turns), forked.active_turn) == (1, None)


def test_a_closed_session_can_be_forked_and_its_fork_is_open():
    closed = after(a_session(turns=1), close(a_session(turns=1), at=NOON))
    assert fold("ses_b", fork(closed, at=NOON)).status is SessionStatus.OPEN


def test_both_sides_know_each_other():
    origin = a_session(turns=1)
    forked = fold("ses_b", fork(origin, at=NOON))
    told = after(origin, tell_fork(origin, forked, at=NOON))
    told = after(told, tell_continuation(told, a_session("ses_c"), at=NOON))
    assert (told.forks, told.continued_by, told.turns) == (("ses_b",), ("ses_c",), origin.turns)


def test_a_session_takes_no_turn_whose_end_would_not_fit():
    session = a_session(turns=2)
    assert ask(session, max_events=7)
    with pytest.raises(SessionFull, match="5 of the 6"):
        ask(session, max_events=6)
    failed = after(session, ask(session, max_events=7))
    assert after(failed, fail(failed)).version == 7


def test_a_session_is_erased_in_any_state_but_while_a_turn_runs():
    for session in (a_session(), after(a_session(), archive(a_session(), at=NOON))):
        assert after(session, erase(session, at=at(1))).status is SessionStatus.ERASED
    busy = after(a_session(), ask(a_session()))
    with pytest.raises(SessionBusy):
        erase(busy, at=NOON)
