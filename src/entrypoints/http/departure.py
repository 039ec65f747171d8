"""Hears that a client leaves, while something is done for it.

A server tells that to whoever waits in `receive`. A task that does so costs a request more than its routing: 12 µs to
make, wake and cancel it. Here nobody waits: `receive` is begun, and what it waits for calls back.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, cast

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Departure:
    """Calls `left` once if the client leaves after `listen`, and before `close`."""

    def __init__(self, receive: Receive, left: Callable[[], None]) -> None:
        self._receive = receive
        self._left = left
        self._listening: Coroutine[Any, Any, MutableMapping[str, Any]] | None = None
        self._closed = False

    def listen(self) -> None:
        """Begin to listen; nothing of the request may be expected any more."""
        if not self._closed:
            self._begin()
            self._go_on()

    def close(self) -> None:
        """Stop listening."""
        self._closed = True
        if self._listening is not None:
            self._listening.close()

    def _begin(self) -> None:
        self._listening = cast("Coroutine[Any, Any, MutableMapping[str, Any]]", self._receive())

    def _go_on(self, _: object = None) -> None:
        """Let it run until it waits for something: a future, which is then awaited as a task would (PEP 3156)."""
        while not self._closed and self._listening is not None:
            try:
                waits_for = self._listening.send(None)
            except StopIteration as heard:
                if heard.value["type"] == "http.disconnect":
                    self._closed = True
                    self._left()
                    return
                self._begin()
            else:
                if waits_for is None:  # it only lets others go first
                    asyncio.get_running_loop().call_soon(self._go_on)
                else:
                    waits_for._asyncio_future_blocking = False
                    waits_for.add_done_callback(self._go_on)
                return
