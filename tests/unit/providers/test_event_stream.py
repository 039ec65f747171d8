import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.providers.transport.event_stream import EventStream, EventTooLarge

LINE = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=8).map(str.encode)


@st.composite
def streams(draw) -> tuple[bytes, list[bytes]]:
    """The bytes of a stream, and the data of the events that are in it."""
    stream, expected = b"", []
    newline = draw(st.sampled_from([b"\n", b"\r\n", b"\r"]))
    for _ in range(draw(st.integers(0, 5))):
        lines = draw(st.lists(LINE, min_size=1, max_size=3))
        if draw(st.booleans()):
            stream += b": a comment" + newline
        if draw(st.booleans()):
            stream += b"event: delta" + newline + b"id: 7" + newline
        space = draw(st.sampled_from([b"", b" "]))
        stream += b"".join(
            b"data:" + (space or (b" " if line.startswith(b" ") else b"")) + line + newline for line in lines
        )
        stream += newline
        expected.append(b"\n".join(lines))
    return stream, expected


@given(streams(), st.data())
def test_any_split_of_the_bytes_gives_the_same_events(stream_and_events, data):
    stream, expected = stream_and_events
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    events = EventStream()
    assert [event for piece in pieces for event in events.feed(piece)] == expected


@given(st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_an_event_is_there_as_soon_as_its_blank_line_is(newline):
    events = EventStream()
    assert events.feed(b"data: a" + newline) == []
    assert events.feed(newline) == [b"a"]


def test_comments_and_other_fields_alone_are_no_event():
    assert EventStream().feed(b": ping\n\nevent: x\nretry: 3\n\ndata: a\n\n") == [b"a"]


def test_a_stream_that_ends_inside_an_event_does_not_give_it():
    assert EventStream().feed(b"data: a\n\ndata: half\n") == [b"a"]


def test_an_event_without_an_end_is_refused_before_it_fills_the_memory():
    events = EventStream(limit_bytes=100)
    events.feed(b"data: " + b"x" * 90)
    with pytest.raises(EventTooLarge):
        events.feed(b"x" * 10)


def test_an_event_in_many_pieces_is_held_and_not_gone_through_again():
    events, piece = EventStream(limit_bytes=2**26), b"x" * 2**14
    events.feed(b"data: ")
    for _ in range(1_000):
        assert events.feed(piece) == []
    assert events.feed(b"\n\ndata: b\n\n") == [piece * 1_000, b"b"]
