"""A request's body, as it comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from ...domain.errors import RequestTooLarge

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Incoming:
    """The body of one request, to be iterated over once. `ended` is set when there is no more of it.

    Raises:
        RequestTooLarge: it has more than `limit_bytes`, or announces more.
        ClientGone: the client left before its end.
    """

    def __init__(self, receive: Receive, announced_bytes: int, limit_bytes: int) -> None:
        self.ended = asyncio.Event()
        self._receive = receive
        self._limit_bytes = limit_bytes
        if announced_bytes > limit_bytes:
            raise self._too_large()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield its pieces."""
        size, more = 0, True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            piece = message.get("body", b"")
            size += len(piece)
            if size > self._limit_bytes:
                raise self._too_large()
            more = message.get("more_body", False)
            if not more:
                self.ended.set()
            yield piece

    def _too_large(self) -> RequestTooLarge:
        return RequestTooLarge(detail=f"The body may have {self._limit_bytes} bytes at most.")


class ClientGone(asyncio.CancelledError):
    """The client left while it sent its request. Like a cancellation it is nobody's to handle but the scope's."""
