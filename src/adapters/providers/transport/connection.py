"""One connection to a server: HTTP/1.1 (RFC 9112), one request and its answer after another.

llhttp parses (`httptools` 0.9), as it does for requests that come to us. What a whole client adds to that (sessions,
cookies, redirects, proxies, decompression) is nothing that a provider is asked with, and costs more than the exchange.
"""

import asyncio
from collections.abc import AsyncIterable, Mapping, Sequence
from typing import Any, Final, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from ....application.deadlines import Deadlines

HEAD_LIMIT_BYTES: Final = 2**17
"""How much may come before the head of an answer is whole."""

HELD_BYTES: Final = 2**18
"""How much of a body is held before the server has to wait."""

_FINAL = 200


class ConnectionLost(Exception):
    """It was closed before the answer was whole."""


class NotHttp(Exception):
    """What came is no answer of HTTP/1.1."""


class Connection(asyncio.Protocol):
    """Carries one exchange at a time: `send` a request, wait for the `head`, then take each `piece` of the body.

    `fresh` until the first exchange has ended; `heard` once anything of an answer has come, `answered` once its head
    is whole (`status` and `fields`), `whole` at its end.
    """

    def __init__(self) -> None:
        self.fresh, self.idle_since = True, 0.0
        self.heard = self.answered = False
        self.whole = True
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self._usable = True
        self._failure: Exception | None = None
        self._before_head = self._held = 0
        self._pieces: list[bytes] = []
        self._parser: Any = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._news: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None
        self._reading = self._writable = True

    @property
    def usable(self) -> bool:
        """Whether it can carry another exchange."""
        return self._usable and self.whole

    @property
    def taken(self) -> bool:
        """Whether the answer has ended, and all of its body has been taken."""
        return self.whole and not self._pieces

    def send(self, request: bytes) -> None:
        """Begin an exchange with a request, or with the head of one."""
        assert self._transport is not None  # noqa: S101 - it is connected
        self.heard = self.answered = self.whole = False
        self.fields, self._before_head = [], 0
        self._transport.write(request)

    async def send_body(self, pieces: AsyncIterable[bytes]) -> None:
        """Send the body of a request, no faster than the server takes it, nor on once it has answered."""
        assert self._transport is not None  # noqa: S101 - it is connected
        async for piece in pieces:
            if self.heard or self._failure:
                self._usable = False
                return
            self._transport.write(piece)
            if not self._writable:
                self._room = self._loop.create_future()
                await self._room

    async def head(self, deadlines: Deadlines, timeout_s: float) -> None:
        """Wait for the head of the answer.

        Raises:
            TimeoutError: it did not come in time.
            ConnectionLost, NotHttp: it will not come.
        """
        while not self.answered:
            await self._change(deadlines, timeout_s)

    async def piece(self, deadlines: Deadlines, timeout_s: float) -> bytes:
        """What has come of the body since the last time, once there is something; empty at its end.

        Raises:
            TimeoutError, ConnectionLost, NotHttp: as `head`.
        """
        while not self._pieces:
            if self.whole:
                return b""
            await self._change(deadlines, timeout_s)
        pieces, self._pieces, self._held = self._pieces, [], 0
        if not self._reading and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def ended(self, at: float) -> None:
        """The exchange has ended, in one way or another; one that is not `usable` then is closed."""
        self.fresh, self.idle_since = False, at
        self._pieces, self._held = [], 0
        if not self.usable:
            self.close()

    def close(self) -> None:
        """Close it at once, whatever it carries."""
        self._usable = False
        if self._transport is not None:
            self._transport.abort()

    async def _change(self, deadlines: Deadlines, timeout_s: float) -> None:
        if self._failure:
            raise self._failure
        self._news = self._loop.create_future()
        try:
            await deadlines.wait(self._news, timeout_s)
        finally:
            self._news = None

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _fail(self, failure: Exception) -> None:
        self._usable = False
        if not self.whole and self._failure is None:
            self._failure = failure
        self._wake()
        self.resume_writing()

    # ── What the transport says ───────────────────────────────────────────────────────────────────────────────────

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102 - asyncio's
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:  # noqa: D102 - asyncio's
        if self.whole:  # nothing was asked
            self.close()
            return
        self.heard = True
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._fail(NotHttp())
            return
        if not self.answered:
            self._before_head += len(data)
            if self._before_head > HEAD_LIMIT_BYTES:
                self._fail(NotHttp())
            return
        if self._held > HELD_BYTES and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:  # noqa: D102 - asyncio's
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102 - asyncio's
        if exc is None and self.answered and self._ends_with_the_connection():
            self.whole = True
        self._fail(ConnectionLost())

    def pause_writing(self) -> None:  # noqa: D102 - asyncio's
        self._writable = False

    def resume_writing(self) -> None:  # noqa: D102 - asyncio's
        self._writable = True
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # ── What the parser says ──────────────────────────────────────────────────────────────────────────────────────

    def on_message_begin(self) -> None:  # noqa: D102 - httptools'
        if self.whole:
            raise NotHttp  # an answer to nothing; the parser stops here

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102 - httptools'
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:  # noqa: D102 - httptools'
        self.status = self._parser.get_status_code()
        self.answered = self.status >= _FINAL

    def on_body(self, body: bytes) -> None:  # noqa: D102 - httptools'
        self._pieces.append(body)
        self._held += len(body)

    def on_message_complete(self) -> None:  # noqa: D102 - httptools'
        if self.answered:
            self.whole = True
            self._usable = self._usable and self._parser.should_keep_alive()
        else:  # it only says that an answer will come
            self.fields = []

    def _ends_with_the_connection(self) -> bool:
        """Whether nothing else says where the body ends (RFC 9112, 6.3)."""
        headers = headers_of(self.fields)
        return "content-length" not in headers and "chunked" not in headers.get("transfer-encoding", "").lower()


def headers_of(fields: Sequence[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Headers by their names in lower case; several of one name as a list of values."""
    headers: dict[str, str] = {}
    for name, value in fields:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers
