"""Ends the turns whose process is gone: before the first request, and from then on as long as the service runs.

With several processes on one database, the one that died may never come back, and its sessions would be busy for ever.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from attrs import define, field

from ...application.sessions import Sessions
from .periodic import repeated

SWEEP_S = 2.0

_log = structlog.get_logger()


@define
class InterruptedTurns:
    """Remembers which sessions it could not read, so that each is told of once."""

    sessions: Sessions
    _told: set[str] = field(init=False, factory=set)

    @asynccontextmanager
    async def being_ended(self, every_s: float = SWEEP_S) -> AsyncIterator[None]:
        """End what is there, then go on in a task of its own until the context is left.

        Raises:
            GatewayError: the store failed at the beginning; later on it may, and is asked again.
        """
        await self._sweep()
        async with repeated(self._sweep, every_s, failed="sessions.sweep_failed"):
            yield

    async def _sweep(self) -> None:
        sweep = await self.sessions.end_interrupted_turns()
        for session_id, error in sweep.unreadable:
            if session_id not in self._told:
                self._told.add(session_id)
                _log.error("session.unreadable", session=session_id, error=str(error))
