"""Conversations that go on until somebody ends them, and what is left of them.

Each of their events has words of its own, so that one that was lost is missed even if another one has its version.
"""

import itertools
from collections.abc import Callable, Iterable

from pluggably.application.ports import SessionStore
from pluggably.domain.errors import GatewayError, StoreUnavailable, VersionConflict
from pluggably.domain.session import Session, fold

from ...session_builders import ALICE, answer, ask, opened


async def converse(store: SessionStore, session_id: str, acknowledge: Callable[[str], None]) -> None:
    """Ask and answer for ever; `acknowledge` gets the words of each event that is stored.

    Whatever did not succeed is looked up and goes on from what is there, as a client would do it.
    """
    session = await store.append(Session(id=session_id), (opened(),), ALICE)
    for number in itertools.count():
        decide, words = answer if session.active_turn else ask, f"{session_id} {number}"
        try:
            session = await store.append(session, decide(session, words), ALICE)
            acknowledge(words)
        except (StoreUnavailable, VersionConflict):
            session = await store.load(session_id)


async def lost(store: SessionStore, acknowledged: Iterable[str]) -> set[str]:
    """The words that were acknowledged and cannot be read any more."""
    missing = set(acknowledged)
    for session_id in {words.split()[0] for words in missing}:
        try:
            missing -= said_in(await store.load(session_id))
        except StoreUnavailable:
            raise
        except GatewayError:  # its stream has a gap: none of it is given out
            continue
    return missing


def said_in(session: Session) -> set[str]:
    """All that was asked and answered."""
    messages = (message.text for turn in session.turns for message in turn.messages)
    return {*messages, *(part.text for turn in session.turns for part in turn.output)}


async def expect_whole(store: SessionStore, session_id: str) -> Session:
    """The session, whose stream has no gap, whose chain is whole, and which is what its events add up to."""
    session, history = await store.load(session_id), await store.history(session_id)
    assert [it.version for it in history] == list(range(1, session.version + 1))
    assert fold(session_id, [it.event for it in history]) == session
    found = await store.verify(session_id)
    assert (found.valid, found.events) == (True, session.version)
    return session
