"""Events on their way to a reader who takes them when it likes."""

from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.runners.outbox import Outbox
from pluggably.adapters.runners.wire import WINDOW, Cancel, Ended, Grant, Produced
from pluggably.domain.generation import Progress, TextDelta, ToolCallDelta


def an_outbox():
    sent = []
    return Outbox(7, sent.append), sent


def events(sent):
    return [frame.event for frame in sent if isinstance(frame, Produced)]


@given(st.lists(st.integers(1, 40).map(lambda n: Grant(7, n)) | st.text(max_size=3).map(TextDelta), max_size=300))
def test_whatever_the_reader_does_it_gets_all_text_in_order_and_never_more_than_it_has_room_for(steps):
    outbox, sent = an_outbox()
    room = WINDOW
    for step in steps:
        if isinstance(step, Grant):
            room += step.events
            outbox.take(step)
        else:
            outbox.put(step)
        assert len(events(sent)) <= room
    outbox.finish(None)
    outbox.take(Grant(7, 1000))
    assert "".join(it.text for it in events(sent)) == "".join(it.text for it in steps if isinstance(it, TextDelta))
    assert sent[-1] == Ended(7)


def test_text_that_waits_becomes_one_delta():
    outbox, sent = an_outbox()
    for _ in range(WINDOW + 5):
        outbox.put(TextDelta("a"))
    outbox.take(Grant(7, 10))
    assert events(sent)[WINDOW:] == [TextDelta("aaaaa")]


def test_the_pieces_of_two_tool_calls_stay_apart():
    outbox, sent = an_outbox()
    for _ in range(WINDOW):
        outbox.put(TextDelta("a"))
    for piece in (ToolCallDelta(0, "c0", "f"), ToolCallDelta(0, arguments="{"), ToolCallDelta(0, arguments="}")):
        outbox.put(piece)
    outbox.put(ToolCallDelta(1, "c1", "g"))
    outbox.take(Grant(7, 10))
    assert events(sent)[WINDOW:] == [ToolCallDelta(0, "c0", "f", "{}"), ToolCallDelta(1, "c1", "g")]


def test_of_progress_only_the_latest_waits():
    outbox, sent = an_outbox()
    for step in range(WINDOW + 9):
        outbox.put(Progress(step, 100))
    outbox.take(Grant(7, 10))
    assert events(sent)[WINDOW:] == [Progress(WINDOW + 8, 100)]


def test_the_end_waits_for_what_waits():
    outbox, sent = an_outbox()
    for _ in range(WINDOW + 1):
        outbox.put(TextDelta("a"))
    outbox.finish(None)
    assert not isinstance(sent[-1], Ended)
    outbox.take(Grant(7, 1))
    assert isinstance(sent[-1], Ended)


def test_nothing_is_sent_to_a_reader_that_is_gone_but_the_end():
    outbox, sent = an_outbox()
    outbox.take(Cancel(7))
    outbox.put(TextDelta("a"))
    outbox.finish(None)
    assert sent == [Ended(7)]
