from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.runners.stop_strings import StopStrings

LETTERS = st.text("ab\n", max_size=30)
STRINGS = st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3).map(tuple)


def outcome(strings: tuple[str, ...], pieces: list[str]) -> tuple[str, bool]:
    stop = StopStrings(strings)
    out = "".join([stop.add(piece) for piece in pieces])
    return out + stop.rest(), stop.found


def test_text_without_a_stop_string_passes_whole():
    assert outcome(("END",), ["one ", "EN", "D", "!"]) == ("one ", True)
    assert outcome(("END",), ["one ", "EN", "T"]) == ("one ENT", False)


def test_without_stop_strings_nothing_is_held_back():
    assert StopStrings(()).add("anything") == "anything"


def test_only_what_may_begin_a_stop_string_is_held_back():
    stop = StopStrings(("\n\nUser:",))
    assert stop.add("Yes.\n") == "Yes."
    assert stop.add("\n") == ""
    assert stop.add("U") == ""
    assert stop.add("ntil then") == "\n\nUntil then"


def test_nothing_comes_after_a_stop_string():
    stop = StopStrings(("stop",))
    assert stop.add("a stop b") == "a "
    assert stop.add("c") == ""
    assert stop.rest() == ""


@given(strings=STRINGS, text=LETTERS, cuts=st.lists(st.integers(0, 30)))
def test_the_pieces_in_which_text_comes_do_not_matter(strings, text, cuts):
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert outcome(strings, pieces) == outcome(strings, list(text)) == outcome(strings, [text])


@given(strings=STRINGS, text=LETTERS)
def test_the_output_is_the_text_before_the_first_stop_string(strings, text):
    out, found = outcome(strings, list(text))
    assert text.startswith(out)
    assert not any(string in out for string in strings)
    assert found == any(string in text for string in strings)
    assert found or out == text
