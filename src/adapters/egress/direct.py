"""Requests to addresses that were chosen before, for contents of any size: HTTP/1.1 (RFC 9112), one GET a connection.

The answer's body is received into buffers that are handed on as they are; nothing is copied, decoded or held back. With
aiohttp a gigabyte costs twice the processor time (`benchmarks/downloads.py`), which is why this exists. It takes only
bodies whose length is announced, no transfer codings and no trailers, and no answer whose head is ambiguous.
"""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import cast

from attrs import define, field, frozen
from yarl import URL

from ...domain.errors import UrlUnavailable

BUFFER_BYTES = 2**20
PATIENCE_S = 0.25
"""How long a buffer is filled before it is handed on as it is."""

_CONNECT_S = 10.0
_HEAD_BYTES = 2**16
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_LENGTH = re.compile(r"\d{1,18}")
_FINAL = 200
_SWITCHED = 101


@frozen
class DirectResponse:
    """An answer: its status, its headers by their names in small letters, and its body."""

    status: int
    headers: Mapping[str, str]
    _receiver: "_Receiver"

    @property
    def content_length(self) -> int | None:
        """How many bytes the body has, if that was announced."""
        text = self.headers.get("content-length", "")
        return int(text) if _LENGTH.fullmatch(text) and "transfer-encoding" not in self.headers else None

    async def chunks(self) -> AsyncIterator[memoryview]:
        """The body; each piece is the reader's from then on.

        Raises:
            UrlUnavailable: it breaks off, or nothing comes for too long.
        """
        if (left := self.content_length) is None:
            raise _unavailable()
        while left > 0:
            chunk = await self._receiver.take(left)
            left -= len(chunk)
            yield chunk


@asynccontextmanager
async def get(
    url: URL, addresses: Sequence[str], headers: Mapping[str, str], silence_s: float | None
) -> AsyncIterator[DirectResponse]:
    """The answer of a server at one of the addresses, which must have a certificate for the URL's host.

    Raises:
        UrlUnavailable: there is none, or it breaks off, or is silent for so many seconds.
    """
    request = _request(url, headers)
    receiver = await _connected(url, addresses, silence_s)
    try:
        receiver.send(request)
        status, found = await receiver.head()
        yield DirectResponse(status, found, receiver)
    finally:
        receiver.close()


async def _connected(url: URL, addresses: Sequence[str], silence_s: float | None) -> "_Receiver":
    loop = asyncio.get_running_loop()
    failure: Exception | None = None
    for address in addresses:
        try:
            async with asyncio.timeout(min(silence_s or _CONNECT_S, _CONNECT_S)):
                _, receiver = await loop.create_connection(
                    lambda: _Receiver(silence_s),
                    address,
                    url.port or 0,
                    ssl=_tls() if url.scheme == "https" else None,
                    server_hostname=url.raw_host if url.scheme == "https" else None,
                )
                return receiver
        except (OSError, ssl.SSLError) as exc:
            failure = exc
    raise _unavailable() from failure


def _request(url: URL, headers: Mapping[str, str]) -> bytes:
    lines = {"Host": url.raw_authority, "Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "pluggably"}
    lines |= {**headers, "Connection": "close"}
    if not all(value.isascii() and value.isprintable() for value in lines.values()):
        raise _unavailable()
    head = [f"GET {url.raw_path_qs} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items())]
    return "\r\n".join([*head, "", ""]).encode("ascii")


@define(eq=False)
class _Receiver(asyncio.BufferedProtocol):
    """Receives a head, then the body, into the buffer that is next; while one waits to be taken, the server waits."""

    silence_s: float | None
    _transport: asyncio.Transport | None = field(init=False, default=None)
    _buffer: bytearray = field(init=False, factory=lambda: bytearray(_HEAD_BYTES))
    _filled: int = field(init=False, default=0)
    _ended: bool = field(init=False, default=False)
    _paused: bool = field(init=False, default=False)
    _news: asyncio.Event = field(init=False, factory=asyncio.Event)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the protocol's signature
        return memoryview(self._buffer)[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        self._filled += nbytes
        if self._filled == len(self._buffer) and self._transport:
            self._paused = True
            self._transport.pause_reading()
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        self._ended = True
        self._news.set()

    def send(self, request: bytes) -> None:
        assert self._transport is not None  # noqa: S101 - it is connected
        self._transport.write(request)

    def close(self) -> None:
        if self._transport:
            self._transport.abort()

    async def head(self) -> tuple[int, Mapping[str, str]]:
        """The head of the final answer; what follows it stays in the buffer."""
        while True:
            end = self._buffer.find(b"\r\n\r\n", 0, self._filled)
            if end < 0:
                if self._filled == len(self._buffer):
                    raise _unavailable()
                await self._more()
                continue
            status, headers = _parsed(bytes(self._buffer[:end]))
            rest = bytes(self._buffer[end + 4 : self._filled])
            final = status >= _FINAL or status == _SWITCHED
            self._next(max(BUFFER_BYTES if final else _HEAD_BYTES, len(rest)), rest)
            if final:
                return status, headers

    async def take(self, most: int) -> memoryview:
        """What is in the buffer, when it is full or has been filled for a while."""
        wanted = min(most, len(self._buffer))
        deadline = None
        loop = asyncio.get_running_loop()
        while self._filled < wanted:
            if self._filled and self._ended:
                break
            if self._filled and deadline is None:
                deadline = loop.time() + PATIENCE_S
            if not await self._more(None if deadline is None else deadline - loop.time()):
                break
        taken = memoryview(self._buffer)[: min(self._filled, most)]
        self._next(BUFFER_BYTES)
        return taken

    async def _more(self, most_s: float | None = None) -> bool:
        """Wait for more; False if nothing came within `most_s`.

        Raises:
            UrlUnavailable: there is no more, or nothing came for too long.
        """
        self._news.clear()
        if self._ended:
            raise _unavailable()
        try:
            async with asyncio.timeout(self.silence_s if most_s is None else max(most_s, 0)):
                await self._news.wait()
        except TimeoutError as exc:
            if most_s is not None:
                return False
            raise _unavailable() from exc
        return True

    def _next(self, size: int, rest: bytes = b"") -> None:
        """Go on with another buffer, which begins with the rest."""
        self._buffer, self._filled = bytearray(size), len(rest)
        self._buffer[: len(rest)] = rest
        if self._paused and self._transport and self._filled < size:
            self._paused = False
            self._transport.resume_reading()


def _parsed(head: bytes) -> tuple[int, Mapping[str, str]]:
    first, *lines = head.split(b"\r\n")
    status, found = _STATUS.fullmatch(first), [_HEADER.fullmatch(line) for line in lines]
    if status is None:
        raise _unavailable()
    headers: dict[str, str] = {}
    for it in found:
        if it is None:
            raise _unavailable()
        name, value = it[1].decode("ascii").lower(), it[2].decode("latin-1")
        if name in ("content-length", "transfer-encoding", "content-range") and headers.get(name, value) != value:
            raise _unavailable()
        headers[name] = value
    return int(status[1]), headers


def _unavailable() -> UrlUnavailable:
    return UrlUnavailable(detail="The server of the URL could not be reached, or broke off.")


@cache
def _tls() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
