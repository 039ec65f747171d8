"""Timeouts for many short waits, with one timer for all of them.

`asyncio.timeout` sets and cancels a timer for each wait: 4 µs on uvloop, which is a quarter of what a chunk of a stream
costs. Here a wait is an entry in a dict, 0.5 µs; the timer is set for the earliest deadline known when it last fired.
"""

import asyncio
import math
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlines:
    """Waits for futures that are the waiting side's own: one that does not come in time fails with `TimeoutError`."""

    def __init__(self) -> None:
        self._waits: dict[asyncio.Future[Any], float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf

    async def wait(self, future: "asyncio.Future[T]", timeout_s: float) -> T:
        """What the future gives.

        Raises:
            TimeoutError: it did not within `timeout_s`.
        """
        loop = future.get_loop()
        self._waits[future] = deadline = loop.time() + timeout_s
        if deadline < self._next:
            self._arm(loop, deadline)
        try:
            return await future
        finally:
            del self._waits[future]

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._next = math.inf

    def _arm(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        self._timer = loop.call_at(deadline, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next, now = math.inf, loop.time()
        for future, deadline in self._waits.items():
            if deadline <= now and not future.done():
                future.set_exception(TimeoutError())
        remaining = [deadline for future, deadline in self._waits.items() if not future.done()]
        if remaining:
            self._arm(loop, min(remaining))
