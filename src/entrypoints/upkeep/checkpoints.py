"""Makes checkpoints as long as the service runs: one at its start, one now and then, and one at its end.

A start does not wait for its checkpoint, which after an upgrade is of everything that was ever stored. Whatever
prevents one is logged each time, and the service goes on, so that it can be asked to verify the log.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from attrs import frozen

from ...application.checkpoints import Checkpoints
from ...domain.errors import GatewayError

_log = structlog.get_logger()


@frozen
class RegularCheckpoints:
    """Owns the task."""

    checkpoints: Checkpoints

    @asynccontextmanager
    async def being_made(self, every_s: float) -> AsyncIterator[None]:
        """Make them until the context is left, and then one more."""
        task = asyncio.create_task(self._keep_making(every_s))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            await self._make()

    async def _keep_making(self, every_s: float) -> None:
        while True:
            await self._make()
            await asyncio.sleep(every_s)

    async def _make(self) -> None:
        try:
            made = await self.checkpoints.make()
        except GatewayError as error:
            _log.error("checkpoint.failed", error=str(error))
        except Exception as error:  # the task must not end without anybody noticing
            _log.error("checkpoint.failed", exc_info=error)
        else:
            if made:
                _log.info("checkpoint.made", events=made.size)
