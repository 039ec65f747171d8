"""Timeouts for many short waits, with one timer for all of them.

`asyncio.timeout` sets and cancels a timer for each wait: 4 µs on uvloop, which is a quarter of what a chunk of a stream
costs. Here a wait is an entry in a dict, 0.7 µs; the timer is set for the earliest deadline known when it last fired.
"""

import asyncio
import math
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


class Deadlines:
    """Like `asyncio.timeout`, it cancels the waiting task and turns that into `TimeoutError`. One wait a task."""

    def __init__(self) -> None:
        self._waits: dict[asyncio.Task[object], float] = {}
        self._expired: set[asyncio.Task[object]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf

    async def wait(self, awaitable: Awaitable[T], timeout_s: float) -> T:
        """What the awaitable gives.

        Raises:
            TimeoutError: it did not within `timeout_s`.
        """
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 - an awaited coroutine has one
        cancelling, deadline = task.cancelling(), loop.time() + timeout_s
        self._waits[task] = deadline
        if deadline < self._next:
            self._arm(loop, deadline)
        try:
            return await awaitable
        except asyncio.CancelledError as exc:
            if task in self._expired and task.cancelling() - 1 <= cancelling:  # nobody else cancels it
                raise TimeoutError from exc
            raise
        finally:
            del self._waits[task]
            if task in self._expired:
                self._expired.remove(task)
                task.uncancel()

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
        for task, deadline in self._waits.items():
            if deadline <= now and task not in self._expired:
                self._expired.add(task)
                task.cancel()
        remaining = [deadline for task, deadline in self._waits.items() if task not in self._expired]
        if remaining:
            self._arm(loop, min(remaining))
