"""What a job gives, for whoever follows it."""

import asyncio
from contextlib import aclosing

from hypothesis import given
from hypothesis import strategies as st

from pluggably.application.transcript import FIRST, Transcript
from pluggably.domain.generation import Progress, TextDelta

PIECES = st.lists(
    st.one_of(st.builds(TextDelta, st.text(max_size=3)), st.builds(Progress, step=st.just(1), steps=st.just(2)))
)


async def _rest(transcript: Transcript, after: int) -> list:
    async with aclosing(transcript.after(after, 10)) as batches:
        return [it async for batch in batches for it in batch]


@given(PIECES, st.integers(0, 12))
def test_who_comes_late_gets_the_rest_in_order(pieces, after):
    transcript = Transcript("gen_1")
    for piece in pieces:
        transcript.add(piece)
    transcript.close()
    rest = asyncio.run(_rest(transcript, after))
    numbers = [it.sequence for it in rest]
    assert numbers == sorted(set(numbers)) and all(number > max(after, FIRST) for number in numbers)
    texts = [(number, piece) for number, piece in enumerate(pieces, FIRST + 1) if isinstance(piece, TextDelta)]
    assert [(it.sequence, it.piece) for it in rest if isinstance(it.piece, TextDelta)] == [
        it for it in texts if it[0] > after
    ]


def test_of_progress_only_the_latest_is_kept():
    transcript = Transcript("gen_1")
    for step in range(5):
        transcript.add(Progress(step=step, steps=5))
    assert transcript.progress == Progress(step=4, steps=5)
    transcript.close()
    (last,) = asyncio.run(_rest(transcript, 0))
    assert (last.sequence, last.piece.step) == (FIRST + 5, 4)


async def test_who_waits_is_told_and_who_waits_long_hears_that_nothing_came():
    transcript = Transcript("gen_1")
    async with aclosing(transcript.after(0, 0.001)) as batches:
        assert await anext(batches) == ()
        transcript.add(TextDelta("Hello"))
        while not (batch := await anext(batches)):
            pass
        assert batch[0].piece == TextDelta("Hello")
