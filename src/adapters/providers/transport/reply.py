"""An answer of a provider, as it comes in: piece by piece, whole, or into a file."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

from ....application.deadlines import Deadlines
from ....domain.errors import ProviderBadResponse, ProviderTimeout, StreamInterrupted
from ...disk_errors import disk_errors
from ...workspace import in_thread
from .connection import Connection, ConnectionLost, NotHttp, headers_of
from .connections import Connections

SETTLE_S: Final = 0.25
"""How long to wait for the end of a body that has said all, so that its connection can be used again."""

_OK, _NOT_OK = 200, 300

_WRITE_BYTES: Final = 2**18
"""How much is written to a file at once: reads bring 16 KiB, and each write is a hop to a thread."""


class Reply:
    """An answer whose head has come. Read it to its end, or close it: that closes the connection."""

    def __init__(self, connection: Connection, connections: Connections, deadlines: Deadlines, provider: str) -> None:
        self.status = connection.status
        self.provider = provider
        self._fields = connection.fields
        self._headers: Mapping[str, str] | None = None
        self._connection = connection
        self._connections = connections
        self._deadlines = deadlines
        self._closed = False

    @property
    def headers(self) -> Mapping[str, str]:
        """Those of the answer, by their names in lower case."""
        if self._headers is None:
            self._headers = headers_of(self._fields)
        return self._headers

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return _OK <= self.status < _NOT_OK

    async def piece(self, timeout_s: float) -> bytes:
        """What the next read brings; empty at the end.

        Raises:
            ProviderTimeout: nothing came in time.
            StreamInterrupted: the connection was lost before the end.
        """
        try:
            return await self._connection.piece(self._deadlines, timeout_s)
        except TimeoutError as exc:
            raise ProviderTimeout(detail=f"Provider {self.provider!r} went silent for {timeout_s:g} s.") from exc
        except (ConnectionLost, NotHttp) as exc:
            raise StreamInterrupted(detail=f"Provider {self.provider!r} cut its answer off.") from exc

    async def whole(self, *, limit_bytes: int, timeout_s: float) -> bytes:
        """All of the body; it may take `timeout_s` in all.

        Raises:
            ProviderTimeout: it was not there in time.
            ProviderBadResponse: it was cut off, or is larger than the limit.
        """
        pieces = []  # adding each to the body copies it each time: 300 times what a large one has
        async for piece in self._body(limit_bytes, timeout_s):
            pieces.append(piece)
        return b"".join(pieces)

    async def save(self, path: Path, *, limit_bytes: int, timeout_s: float) -> None:
        """Write all of the body into a new file, holding little of it; it may take `timeout_s` in all.

        Raises:
            ProviderTimeout: it was not there in time.
            ProviderBadResponse: it was cut off, or is larger than the limit.
            InsufficientStorage, GatewayError: it could not be written.
        """
        held = bytearray()
        with disk_errors():
            async with _new(path) as file, contextlib.aclosing(self._body(limit_bytes, timeout_s)) as pieces:
                async for piece in pieces:
                    held += piece
                    if len(held) >= _WRITE_BYTES:
                        await in_thread(file.write, held)
                        held = bytearray()
                await in_thread(file.write, held)

    async def excerpt(self, *, limit_bytes: int, timeout_s: float) -> bytes:
        """The body of an error up to a limit, or as much of it as comes in time: its status says the rest."""
        body, clock = b"", asyncio.get_running_loop().time
        deadline = clock() + timeout_s
        with contextlib.suppress(ProviderTimeout, StreamInterrupted):
            while len(body) < limit_bytes and (piece := await self.piece(max(0, deadline - clock()))):
                body += piece
        return body[:limit_bytes]

    async def settle(self) -> None:
        """Read the rest of a body that has said all it has to; one that does not end is left to `close`."""
        with contextlib.suppress(ProviderTimeout, StreamInterrupted):
            while await self.piece(SETTLE_S):
                pass

    async def close(self) -> None:
        """Let go of the connection: back to the pool after the end of the body, closed before it."""
        if not self._closed:
            self._closed = True
            self._connections.give_back(self._connection)

    async def _body(self, limit_bytes: int, timeout_s: float) -> AsyncGenerator[bytes, None]:
        clock = asyncio.get_running_loop().time
        deadline, size = clock() + timeout_s, 0
        if not self._connection.whole:
            self._expect_at_most(limit_bytes, int(self.headers.get("content-length", 0)))
        try:
            while piece := await self.piece(max(0, deadline - clock())):
                size += len(piece)
                self._expect_at_most(limit_bytes, size)
                yield piece
                if self._connection.taken:
                    break
        except StreamInterrupted as exc:
            raise ProviderBadResponse(detail=str(exc)) from exc
        except ProviderTimeout as exc:
            detail = f"Provider {self.provider!r} had not answered whole after {timeout_s:g} s."
            raise ProviderTimeout(detail=detail) from exc

    def _expect_at_most(self, limit_bytes: int, size: int) -> None:
        if size > limit_bytes:
            raise ProviderBadResponse(detail=f"Provider {self.provider!r} answered with more than {limit_bytes} bytes.")


@contextlib.asynccontextmanager
async def _new(path: Path) -> AsyncIterator[BinaryIO]:
    """A new file, opened and closed in threads."""
    held = contextlib.ExitStack()
    try:
        yield await in_thread(lambda: held.enter_context(path.open("xb")))
    finally:
        await in_thread(held.close)
