"""Timeouts for many short waits, with one timer for all of them.

`asyncio.timeout` sets and cancels a timer for each wait: 4 µs on uvloop, which is a quarter of what a chunk of a stream
costs. Here a wait is an entry in a dict, 0.7 µs; the timer is set for the earliest deadline known when it last fired.
"""

import asyncio
import math
from collections.abc import Awaitable
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlines:
    """Ends waits that take too long: `wait` those for a future of the waiting side's own, `limit` any others."""

    def __init__(self) -> None:
        self._waits: dict[asyncio.Future[Any], float] = {}
        self._late: set[asyncio.Future[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf

    async def wait(self, future: "asyncio.Future[T]", timeout_s: float) -> T:
        """What the future gives; one that does not come in time fails.

        Raises:
            TimeoutError: it did not within `timeout_s`.
        """
        self._expect(future, timeout_s)
        try:
            return await future
        finally:
            del self._waits[future]

    async def limit(self, awaitable: Awaitable[T], timeout_s: float) -> T:
        """What the awaitable gives; as with `asyncio.timeout`, the waiting task is cancelled. One such wait a task.

        Raises:
            TimeoutError: it did not come within `timeout_s`.
        """
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - an awaited coroutine has one
        cancelling = task.cancelling()
        self._expect(task, timeout_s)
        try:
            return await awaitable
        except asyncio.CancelledError as exc:
            if task in self._late and task.cancelling() - 1 <= cancelling:  # nobody else cancels it
                raise TimeoutError from exc
            raise
        finally:
            del self._waits[task]
            if task in self._late:
                self._late.remove(task)
                task.uncancel()

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
        self._next = math.inf

    def _expect(self, awaited: "asyncio.Future[Any]", timeout_s: float) -> None:
        loop = awaited.get_loop()
        self._waits[awaited] = deadline = loop.time() + timeout_s
        if deadline < self._next:
            self._arm(loop, deadline)

    def _arm(self, loop: asyncio.AbstractEventLoop, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = deadline
        self._timer = loop.call_at(deadline, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._next, now = math.inf, loop.time()
        for awaited, deadline in self._waits.items():
            if deadline <= now and awaited not in self._late and not awaited.done():
                self._end(awaited)
        remaining = [it for awaited, it in self._waits.items() if awaited not in self._late and not awaited.done()]
        if remaining:
            self._arm(loop, min(remaining))

    def _end(self, awaited: "asyncio.Future[Any]") -> None:
        if isinstance(awaited, asyncio.Task):
            self._late.add(awaited)
            awaited.cancel()
        else:
            awaited.set_exception(TimeoutError())
