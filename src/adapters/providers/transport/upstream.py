"""HTTP to one provider: httpx is the interface, aiohttp's client does the work (`httpx-aiohttp` 0.2).

The transport is called without `httpx.AsyncClient` around it, and the headers that never change are the session's:
95 ms of CPU per 1,000 requests, where httpx's own pool takes 1,400 (one core, 64 connections). It follows no redirect,
reads no proxy or netrc from the environment, keeps no cookie and accepts no compressed answer. `SSL_CERT_FILE` names a
private certificate authority.

httpx-aiohttp turns a refused, a lost and a slow connection alike into `ConnectTimeout`, so the cause decides here.
Releasing a response before its end closes the connection: that is how a cancelled generation reaches the provider.
"""

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

import aiohttp
import httpx
from attrs import frozen
from httpx_aiohttp import AiohttpTransport

from ....application.tracing import TRACE
from ....domain.errors import ProviderBadResponse, ProviderTimeout, ProviderUnreachable
from .deadlines import Deadlines
from .form import Form
from .reply import Reply


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
    """The server of a provider. Owns its connections; `close` them.

    Raises:
        ValueError: there are credentials in the base URL.
    """

    def __init__(self, *, provider: str, base_url: str, headers: Mapping[str, str], limits: Limits) -> None:
        if httpx.URL(base_url).userinfo:
            raise ValueError("base_url has credentials in it, which belong into the variable that api_key_env names")
        self.provider = provider
        self.limits = limits
        self._base_url = base_url.rstrip("/")
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "pluggably", **headers}
        self._extensions = {"timeout": {"connect": limits.connect_s}}
        self._deadlines = Deadlines()
        self._tls = httpx.create_ssl_context()
        self._transport = AiohttpTransport(verify=self._tls, client=self._session)

    def at(self, path: str) -> httpx.URL:
        """The URL of a path below the base URL. Keep it: it takes 11 µs to make one, a request of it 2."""
        return httpx.URL(f"{self._base_url}{path}")

    def own(self, url: str) -> httpx.URL | None:
        """What a URL in an answer names, if that is on this same server: its scheme, host and port, or none at all."""
        base = httpx.URL(f"{self._base_url}/")
        try:
            named = base.join(url)
        except httpx.InvalidURL:
            return None
        return named if _origin(named) == _origin(base) and not named.userinfo else None

    async def post(self, url: httpx.URL, body: bytes | Form) -> Reply:
        """Send a request and wait for the answer's head; the caller closes the reply.

        Raises:
            ProviderUnreachable: no connection, or it was lost before the answer began.
            ProviderTimeout: no connection, or no answer, in time.
            ProviderBadResponse: what came back is not HTTP.
        """
        return await self._answer("POST", url, body)

    async def get(self, url: httpx.URL) -> Reply:
        """Ask for what a URL names, with the same credentials: only for one that is this server's `own`.

        Raises:
            ProviderUnreachable, ProviderTimeout, ProviderBadResponse: as `post`.
        """
        return await self._answer("GET", url, b"")

    async def delete(self, url: httpx.URL) -> Reply:
        """Have what a URL of this server names deleted.

        Raises:
            ProviderUnreachable, ProviderTimeout, ProviderBadResponse: as `post`.
        """
        return await self._answer("DELETE", url, b"")

    async def close(self) -> None:
        """Close every connection."""
        self._deadlines.close()
        await self._transport.aclose()

    async def _answer(self, method: str, url: httpx.URL, body: bytes | Form) -> Reply:
        try:
            response = await self._deadlines.wait(self._send(method, url, body), self.limits.first_byte_s)
        except TimeoutError as exc:
            raise ProviderTimeout(detail=self._says("did not begin to answer in time")) from exc
        except (httpx.TransportError, aiohttp.ClientError) as exc:
            raise self._failure(exc) from exc
        return Reply(response, self._deadlines, self.provider)

    async def _send(self, method: str, url: httpx.URL, body: bytes | Form) -> httpx.Response:
        """Once more when a connection that waited for its next request turns out to be closed at the other end."""
        try:
            return await self._transport.handle_async_request(self._request(method, url, body))
        except httpx.ConnectTimeout as exc:
            if not _went_stale(exc.__cause__):
                raise
            return await self._transport.handle_async_request(self._request(method, url, body))

    def _request(self, method: str, url: httpx.URL, body: bytes | Form) -> httpx.Request:
        """A request without headers but a form's own and the trace: httpx adds none, and aiohttp does it for less."""
        trace = TRACE.get()
        headers = {"traceparent": trace.traceparent} if trace else None
        if isinstance(body, Form):
            own = {**body.headers, **(headers or {})}
            return httpx.Request(method, url, headers=own, stream=body, extensions=self._extensions)
        request = httpx.Request(
            method, url, headers=headers, stream=httpx.ByteStream(body), extensions=self._extensions
        )
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
        return f"Provider {self.provider!r} {what}."


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port  # the scheme's own port is None, also when it is said


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
