"""Retention while the service runs."""

import asyncio

from structlog.testing import capture_logs

from pluggably.adapters.memory.sessions import MemorySessionStore
from pluggably.application.retention import Retention
from pluggably.application.turns import SessionLocks
from pluggably.domain.errors import GatewayError
from pluggably.domain.retention import RetentionPolicy
from pluggably.domain.session import close
from pluggably.entrypoints.upkeep.retention import ScheduledRetention
from tests.artifact_world import an_eraser

from ..contracts.session_store import a_stored_session
from ..session_builders import ALICE, NOON

SOON_S = 0.001


class OneRefuses(MemorySessionStore):
    """A store in which `ses_1` cannot be erased; `twice` is set when that was tried twice."""

    def __init__(self):
        super().__init__()
        self.tries, self.twice = 0, asyncio.Event()

    async def erase(self, session, erased, provenance):
        if session.id != "ses_1":
            return await super().erase(session, erased, provenance)
        self.tries += 1
        if self.tries > 1:
            self.twice.set()
        raise GatewayError(detail="Event 2 is not as it was stored.")


async def test_what_was_done_and_what_could_not_be_done_is_told_with_the_run():
    store = OneRefuses()
    for name in ("ses_1", "ses_2"):
        session = await a_stored_session(store, name)
        await store.append(session, close(session, at=NOON), ALICE)
    retention = Retention(
        store=store,
        retained=store,
        eraser=an_eraser(store),
        policy=RetentionPolicy(audit_days=0),
        locks=SessionLocks(1),
        clock=lambda: NOON,
    )
    with capture_logs() as told:
        async with ScheduledRetention(retention, lambda prefix: f"{prefix}_1").being_carried_out(SOON_S):
            await asyncio.wait_for(store.twice.wait(), 10)
    first, second = told[:2]
    assert (first["event"], first["session"], first["code"]) == ("retention.skipped", "ses_1", "internal_error")
    assert (second["event"], second["request_id"]) == ("retention.ran", "ret_1")
    assert (second["sessions"], second["state_tokens"], second["skipped"]) == (1, 0, 1)
    assert not [it for it in told[2:] if it["event"] == "retention.ran"]  # which is for when something was done
