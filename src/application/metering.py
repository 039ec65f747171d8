"""What an account may use: a request for a generation enters, and leaves with what it took."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext

from attrs import define

from ..domain.access import NO_LIMITS, Limits
from .access_ports import Meter
from .ports import Clock
from .running import RunningGeneration
from .turns import to_its_end

_UNMETERED = nullcontext()


@define(kw_only=True)
class Metering:
    """Counts what those use who have limits."""

    meter: Meter
    clock: Clock

    def admitted(self, running: RunningGeneration) -> AbstractAsyncContextManager[None]:
        """Be at work for as long as this is not left.

        Raises:
            RateLimited: the credentials are not for more now.
        """
        limits = running.principal.limits
        return _UNMETERED if limits is NO_LIMITS or limits == NO_LIMITS else self._counted(running, limits)

    @asynccontextmanager
    async def _counted(self, running: RunningGeneration, limits: Limits) -> AsyncIterator[None]:
        account = running.principal.account
        try:
            await to_its_end(self.meter.enter(account, limits, running.id, self.clock()))
        except asyncio.CancelledError:  # it may have entered all the same
            await to_its_end(self.meter.leave(account, limits, running.id, self.clock(), tokens=0))
            raise
        try:
            yield
        finally:
            await to_its_end(self.meter.leave(account, limits, running.id, self.clock(), tokens=running.tokens))
