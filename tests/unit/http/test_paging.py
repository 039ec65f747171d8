"""Cursors."""

from datetime import UTC, datetime

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pluggably.application.ports import SessionCursor
from pluggably.domain.errors import InvalidRequest
from pluggably.entrypoints.http.paging import cursor_text, list_object, read_cursor

cursors = st.builds(SessionCursor, last_activity_at=st.datetimes(timezones=st.just(UTC)), id=st.text())
ONE = SessionCursor(last_activity_at=datetime(2026, 1, 2, 3, 4, 5, 678901, UTC), id="ses_1")


@given(cursors)
def test_a_cursor_comes_back_as_it_was_given_out(cursor):
    assert read_cursor(cursor_text(cursor)) == cursor


@given(st.integers(0, len(cursor_text(ONE)) - 1), st.characters(codec="ascii"))
def test_a_cursor_altered_in_any_character_is_refused(place, character):
    good = cursor_text(ONE)
    altered = good[:place] + character + good[place + 1 :]
    assume(altered != good)
    with pytest.raises(InvalidRequest):
        read_cursor(altered)


@given(st.text())
def test_a_cursor_that_was_made_up_is_refused(text):
    assume(text != cursor_text(ONE))
    with pytest.raises(InvalidRequest):
        read_cursor(text)


def test_a_list_says_whether_there_is_more():
    assert list_object([1], next_after="x") == {"object": "list", "data": [1], "has_more": True, "next_after": "x"}
    assert list_object([])["has_more"] is False
