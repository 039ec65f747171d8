"""HTTP to one provider: httpx is the interface, aiohttp's client does the work (`httpx-aiohttp` 0.2).

The transport is called without `httpx.AsyncClient` around it, and the headers that never change are the session's:
95 ms of CPU per 1,000 requests, where httpx's own pool takes 1,400 (one core, 64 connections). It follows no redirect,
reads no proxy or netrc from the environment, keeps no cookie and accepts no compressed answer. `SSL_CERT_FILE` names a
private certificate authority.

httpx-aiohttp turns a refused, a lost and a slow connection alike into `ConnectTimeout`, so the cause decides here.
Releasing a response before its end closes the connection: that is how a cancelled generation reaches the provider.
"""

import contextlib
from collections.abc import AsyncGenerator, Mapping
from contextvars import ContextVar
from typing import Any, Final, cast
from weakref import WeakSet

import aiohttp
import httpx
from attrs import frozen
from httpx_aiohttp import AiohttpTransport

from ...domain.errors import ProviderBadResponse, ProviderTimeout, ProviderUnreachable, StreamInterrupted
from .deadlines import Deadlines

SETTLE_S: Final = 0.25
"""How long to wait for the end of a body that has said all, so that its connection can be used again."""


@frozen(kw_only=True)
class Limits:
    """How long to wait for a provider, in seconds, and how many connections to hold.

    `first_byte_s` runs from the request to its first output; `idle_s` from then on between any two reads.
    """

    connect_s: float
    first_byte_s: float
    idle_s: float
    connections: int
    keep_alive_s: float = 30


class Upstream:
    """The one URL of a provider that requests are posted to. Owns its connections; `close` them."""

    def __init__(self, *, provider: str, url: str, headers: Mapping[str, str], limits: Limits) -> None:
        self.limits = limits
        self._provider = provider
        self._url = httpx.URL(url)
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "pluggably", **headers}
        self._extensions = {"timeout": {"connect": limits.connect_s}}
        self._deadlines = Deadlines()
        self._tls = httpx.create_ssl_context()
        self._transport = AiohttpTransport(verify=self._tls, client=self._session)

    async def post(self, body: bytes) -> "Reply":
        """Send a request and wait for the answer's head; the caller closes the reply.

        Raises:
            ProviderUnreachable: no connection, or it was lost before the answer began.
            ProviderTimeout: no connection, or no answer, in time.
            ProviderBadResponse: what came back is not HTTP.
        """
        try:
            response = await self._deadlines.wait(self._send(body), self.limits.first_byte_s)
        except TimeoutError as exc:
            raise ProviderTimeout(detail=self._says("did not begin to answer in time")) from exc
        except (httpx.TransportError, aiohttp.ClientError) as exc:
            raise self._failure(exc) from exc
        return Reply(response, self._deadlines, self._provider)

    async def close(self) -> None:
        """Close every connection."""
        self._deadlines.close()
        await self._transport.aclose()

    async def _send(self, body: bytes) -> httpx.Response:
        """Once more when a connection that waited for its next request turns out to be closed at the other end."""
        try:
            return await self._transport.handle_async_request(self._request(body))
        except httpx.ConnectTimeout as exc:
            if not _went_stale(exc.__cause__):
                raise
            return await self._transport.handle_async_request(self._request(body))

    def _request(self, body: bytes) -> httpx.Request:
        """A request without headers: as a stream, httpx adds none, and aiohttp adds the same ones for less."""
        request = httpx.Request("POST", self._url, stream=httpx.ByteStream(body), extensions=self._extensions)
        request.read()
        return request

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=_Connector(
                limit=self.limits.connections, keepalive_timeout=self.limits.keep_alive_s, ssl=self._tls
            ),
            headers=self._headers,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )

    def _failure(self, exc: Exception) -> ProviderTimeout | ProviderUnreachable | ProviderBadResponse:
        cause = exc.__cause__ if isinstance(exc, httpx.TransportError) else exc
        if isinstance(cause, aiohttp.ServerTimeoutError):
            return ProviderTimeout(detail=self._says("could not be connected to in time"))
        if isinstance(cause, aiohttp.ClientResponseError):
            return ProviderBadResponse(detail=self._says("answered with something that is not HTTP"))
        if isinstance(cause, aiohttp.ClientConnectorError):
            return ProviderUnreachable(detail=self._says("cannot be connected to"))
        return ProviderUnreachable(detail=self._says("closed the connection without an answer"))

    def _says(self, what: str) -> str:
        return f"Provider {self._provider!r} {what}."


class Reply:
    """An answer whose head has come. Read it to its end, or close it: that closes the connection."""

    def __init__(self, response: httpx.Response, deadlines: Deadlines, provider: str) -> None:
        self.status = response.status_code
        self.headers = response.headers
        self._deadlines = deadlines
        self._provider = provider
        self._stream = cast(httpx.AsyncByteStream, response.stream)
        self._pieces = cast(AsyncGenerator[bytes, None], aiter(self._stream))

    @property
    def is_success(self) -> bool:
        """Whether the status is one of 200 to 299."""
        return httpx.codes.is_success(self.status)

    async def piece(self, timeout_s: float) -> bytes:
        """What the next read brings; empty at the end.

        Raises:
            ProviderTimeout: nothing came in time.
            StreamInterrupted: the connection was lost before the end.
        """
        try:
            return await self._deadlines.wait(anext(self._pieces), timeout_s)
        except StopAsyncIteration:
            return b""
        except TimeoutError as exc:
            raise ProviderTimeout(detail=f"Provider {self._provider!r} went silent for {timeout_s:g} s.") from exc
        except (httpx.TransportError, aiohttp.ClientError, aiohttp.http.HttpProcessingError) as exc:
            raise StreamInterrupted(detail=f"Provider {self._provider!r} cut its answer off.") from exc

    async def whole(self, *, limit_bytes: int, timeout_s: float) -> bytes:
        """All of the body.

        Raises:
            ProviderTimeout: it did not go on in time.
            ProviderBadResponse: it was cut off, or is larger than the limit.
        """
        body = b""
        try:
            while piece := await self.piece(timeout_s):
                body += piece
                if len(body) > limit_bytes:
                    detail = f"Provider {self._provider!r} answered with more than {limit_bytes} bytes."
                    raise ProviderBadResponse(detail=detail)
        except StreamInterrupted as exc:
            raise ProviderBadResponse(detail=str(exc)) from exc
        return body

    async def excerpt(self, *, limit_bytes: int, timeout_s: float) -> bytes:
        """The body of an error up to a limit, or as much of it as comes: its status says the rest."""
        body = b""
        with contextlib.suppress(ProviderTimeout, StreamInterrupted):
            while len(body) < limit_bytes and (piece := await self.piece(timeout_s)):
                body += piece
        return body[:limit_bytes]

    async def settle(self) -> None:
        """Read the rest of a body that has said all it has to; one that does not end is left to `close`."""
        with contextlib.suppress(ProviderTimeout, StreamInterrupted):
            while await self.piece(SETTLE_S):
                pass

    async def close(self) -> None:
        """Let go of the connection: back to the pool after the end of the body, closed before it."""
        await self._stream.aclose()
        await self._pieces.aclose()


_reused: ContextVar[bool] = ContextVar("reused", default=False)


class _Connector(aiohttp.TCPConnector):
    """Knows which of its connections have carried a request before: only such a one can have gone stale."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._used: WeakSet[object] = WeakSet()

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        reused = connection.protocol in self._used
        if not reused:
            self._used.add(connection.protocol)
        _reused.set(reused)
        return connection


def _went_stale(cause: BaseException | None) -> bool:
    """Whether the connection was closed between two requests: it was not new, and nothing of an answer had come."""
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return _reused.get() and isinstance(cause.message, str)
    lost = isinstance(cause, aiohttp.ClientOSError) and not isinstance(cause, aiohttp.ClientConnectorError)
    return lost and _reused.get()
