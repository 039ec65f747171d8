"""A request's body, as it comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from ...domain.errors import RequestTooLarge

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


async def read_whole(receive: Receive, announced_bytes: int, limit_bytes: int) -> bytes:
    """All of the body of a request.

    Raises:
        RequestTooLarge: it has more than `limit_bytes`, or announces more.
        ClientGone: the client left before its end.
    """
    if announced_bytes > limit_bytes:
        raise _too_large(limit_bytes)
    pieces, size, more = [], 0, True
    while more:
        piece, more = await _next(receive)
        size += len(piece)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        pieces.append(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Incoming:
    """The body of one request as it comes, to be iterated over once; `ended` is called when there is no more of it.

    Raises:
        RequestTooLarge, ClientGone: as `read_whole`.
    """

    def __init__(self, receive: Receive, announced_bytes: int, limit_bytes: int) -> None:
        self.ended: Callable[[], None] = _nobody_waits
        self._receive = receive
        self._limit_bytes = limit_bytes
        if announced_bytes > limit_bytes:
            raise _too_large(limit_bytes)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield its pieces."""
        size, more = 0, True
        while more:
            piece, more = await _next(self._receive)
            size += len(piece)
            if size > self._limit_bytes:
                raise _too_large(self._limit_bytes)
            if not more:
                self.ended()
            yield piece


async def _next(receive: Receive) -> tuple[bytes, bool]:
    """A piece, and whether more of them follow."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


def _too_large(limit_bytes: int) -> RequestTooLarge:
    return RequestTooLarge(detail=f"The body may have {limit_bytes} bytes at most.")


def _nobody_waits() -> None:
    pass


class ClientGone(asyncio.CancelledError):
    """The client left while it sent its request. Like a cancellation it is nobody's to handle but the scope's."""
