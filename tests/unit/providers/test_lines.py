import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.providers.transport.event_stream import EventTooLarge
from pluggably.adapters.providers.transport.lines import Lines


@given(st.lists(st.binary().map(lambda it: it.replace(b"\n", b"").strip())), st.lists(st.integers(1, 9)))
def test_the_lines_are_the_same_however_the_bytes_are_split(lines, sizes):
    data, stream, found = b"\n".join(lines), Lines(), []
    for size in [*sizes, len(data) + 1]:
        piece, data = data[:size], data[size:]
        found += stream.feed(piece)
    assert found + stream.end() == [line for line in lines if line]


def test_a_line_without_an_end_is_refused():
    stream = Lines(limit_bytes=8)
    with pytest.raises(EventTooLarge):
        stream.feed(b"123456789")
