"""`kill -9` amid appends: what was acknowledged is there, what is there verifies, and the service goes on with it."""

from pluggably.application.ports import SessionStore
from pluggably.domain.session import interrupt

from ...session_builders import ALICE, NOON, answer, ask
from .conversations import expect_whole, lost
from .writer import Writer

LINES_BEFORE_THE_KILL = (1, 7, 20, 60, 150)


async def test_a_killed_writer_loses_nothing_that_it_acknowledged(place):
    acknowledged: list[str] = []
    for number, lines in enumerate(LINES_BEFORE_THE_KILL):
        with Writer(str(number), place) as writer:
            writer.hear(1 + lines)
            acknowledged += writer.kill()
        place.let_time_pass()
        store = place.open()
        try:
            assert await lost(store, acknowledged) == set()
            await expect_to_go_on(store, {words.split()[0] for words in acknowledged})
        finally:
            await store.close()
    assert len(acknowledged) >= sum(LINES_BEFORE_THE_KILL)


async def expect_to_go_on(store: SessionStore, session_ids: set[str]) -> None:
    """Turns that the kill cut off are known to be, can be ended, and the next one begun."""
    cut_off = await store.active()
    for session_id in session_ids:
        session = await expect_whole(store, session_id)
        assert bool(session.active_turn) == (session_id in cut_off)
        if session.active_turn:
            session = await store.append(session, interrupt(session, at=NOON), ALICE)
        session = await store.append(session, ask(session), ALICE)
        await store.append(session, answer(session), ALICE)
    assert set(await store.active()) <= set(cut_off) - session_ids
