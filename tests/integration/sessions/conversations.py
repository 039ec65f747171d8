"""Conversations that go on until somebody ends them, and what is left of them.

Each of their events has words of its own, so that one that was lost is missed even if another one has its version.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from pluggably.application.ports import SessionStore
from pluggably.domain.errors import GatewayError, StoreUnavailable, VersionConflict
from pluggably.domain.session import Session, fold

from ...session_builders import ALICE, answer, ask, opened


async def converse(store: SessionStore, session_id: str, acknowledge: Callable[[str], None]) -> None:
    """Ask and answer for ever; `acknowledge` gets the words of each event that is stored.

    Whatever did not succeed is looked up and goes on from what is there, as a client would do it.
    """
    known: Session | None = await store.append(Session(id=session_id), (opened(),), ALICE)
    for number in itertools.count():
        words = f"{session_id} {number}"
        try:
            session = known or await store.load(session_id)
            known = await store.append(session, (answer if session.active_turn else ask)(session, words), ALICE)
        except (StoreUnavailable, VersionConflict):
            known = None
        else:
            acknowledge(words)


class Ledger:
    """The words that were acknowledged."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self._more = asyncio.Event()

    def write(self, words: str) -> None:
        self.words.append(words)
        self._more.set()

    async def grow(self, count: int) -> None:
        """Wait for so many more."""
        wanted = len(self.words) + count
        while len(self.words) < wanted:
            self._more.clear()
            await self._more.wait()


@asynccontextmanager
async def conversations(store: SessionStore, *session_ids: str) -> AsyncIterator[Ledger]:
    """Some that go on meanwhile; if one fails, so does the test."""
    ledger = Ledger()
    async with asyncio.timeout(300), asyncio.TaskGroup() as group:
        tasks = [group.create_task(converse(store, it, ledger.write)) for it in session_ids]
        yield ledger
        for task in tasks:
            task.cancel()


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
    """The session, whose stream has no gap, whose chain is whole, and which is what its events add up to.

    It may grow meanwhile: an append whose caller is gone is finished all the same.
    """
    session = await store.load(session_id)
    history = await store.history(session_id, limit=session.version)
    assert [it.version for it in history] == list(range(1, session.version + 1))
    assert fold(session_id, [it.event for it in history]) == session
    found = await store.verify(session_id)
    assert found.valid
    assert found.events >= session.version
    return session
