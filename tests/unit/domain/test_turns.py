"""The turns of a session are a sequence like any other, whichever sequence the earlier ones are in."""

from collections.abc import Sequence

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.session import Turns

from ...session_builders import a_session

(ONE,) = a_session(turns=1).turns

NUMBERED = st.integers(1, 99).map(lambda number: evolve(ONE, number=number))
SOME = st.lists(NUMBERED, max_size=6).map(tuple)


class Remembered(Sequence):
    """A sequence that is no tuple."""

    def __init__(self, turns):
        self._turns = turns

    def __len__(self):
        return len(self._turns)

    def __getitem__(self, place):
        return self._turns[place]


TURNS = st.builds(Turns, SOME | SOME.map(Remembered), SOME)


@given(TURNS)
def test_they_are_the_earlier_ones_and_then_the_latest(turns):
    plain = (*turns.earlier, *turns.latest)
    assert tuple(turns) == plain
    assert len(turns) == len(plain)
    assert bool(turns) == bool(plain)
    assert tuple(reversed(turns)) == plain[::-1]


@given(TURNS, st.integers(-15, 15))
def test_each_is_found_by_its_place(turns, place):
    plain = tuple(turns)
    if -len(plain) <= place < len(plain):
        assert turns[place] == plain[place]
    else:
        with pytest.raises(IndexError):
            turns[place]


@given(TURNS, st.slices(15))
def test_a_slice_is_that_of_a_tuple(turns, piece):
    assert turns[piece] == tuple(turns)[piece]


@given(TURNS, NUMBERED)
def test_one_is_added_at_the_end(turns, turn):
    before = tuple(turns)
    assert tuple(turns.adding(turn)) == (*before, turn)
    assert tuple(turns) == before


@given(TURNS, NUMBERED)
def test_the_last_one_is_replaced(turns, turn):
    before = tuple(turns)
    assert tuple(turns.replacing_last(turn)) == (*before[:-1], turn)
    assert tuple(turns) == before


@given(TURNS, SOME)
def test_they_are_equal_to_the_same_turns_in_any_sequence(turns, others):
    same = tuple(turns)
    assert turns == Turns((), same) == Turns(Remembered(same)) == same
    assert (turns == Turns(others)) == (same == others)
    assert turns != Turns(same).adding(ONE)
