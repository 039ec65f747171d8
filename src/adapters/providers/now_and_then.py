"""Something to find out of a server beside requests, and to remember for a while.

Whoever wants to know gets what is known, at once; if that is old, the server is asked in the background. Only the first
one waits, and not for long: a server that is slow or gone takes nobody's time, and what was known of it stays.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from attrs import define, field

from ...domain.errors import GatewayError

_log = structlog.get_logger(__name__)

PATIENCE_S: Final = 0.5
"""How long the first one to ask waits."""


@define(eq=False, kw_only=True)
class NowAndThen:
    """Has the models of a `provider` found out by `ask`, at most every `fresh_s` seconds; owns the task of that."""

    provider: str
    ask: Callable[[], Awaitable[None]]
    fresh_s: float
    _asked_at: float | None = field(init=False, default=None)
    _asking: asyncio.Task[None] | None = field(init=False, default=None)

    async def if_due(self) -> None:
        """Ask if it is time; the first one waits a moment for that."""
        now, first = asyncio.get_running_loop().time(), self._asked_at is None
        if self._asked_at is not None and now - self._asked_at < self.fresh_s:
            return
        if self._asking is not None and not self._asking.done():
            return
        self._asked_at, self._asking = now, asyncio.create_task(self._ask())
        if first:
            await asyncio.wait([self._asking], timeout=PATIENCE_S)

    async def close(self) -> None:
        """Ask no more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait([self._asking])

    async def _ask(self) -> None:
        try:
            await self.ask()
        except GatewayError as error:
            _log.warning("models.unlisted", provider=self.provider, error_code=error.code, detail=str(error))
