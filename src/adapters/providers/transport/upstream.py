"""HTTP to one provider, over connections of our own: what is sent is prepared once, and nothing more than that is done.

No redirect is followed, no proxy or netrc read from the environment, no cookie kept and no compressed answer accepted.
`SSL_CERT_FILE` names a private certificate authority. Letting go of an answer before its end closes the connection:
that is how a cancelled generation reaches the provider.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from time import monotonic
from typing import Any, NewType

import httpx
from attrs import frozen

from ....application.deadlines import Deadlines
from ....application.tracing import TRACE
from ....domain.errors import ProviderBadResponse, ProviderTimeout, ProviderUnreachable
from .connection import Connection, ConnectionLost, NotHttp
from .connections import Connections, NoConnection, NoConnectionInTime
from .form import Form
from .reply import Reply

Target = NewType("Target", bytes)
"""What is asked for on a server: path and query of a URL, encoded."""


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
        ValueError: the base URL is none of HTTP, or there are credentials in it; or a header cannot be sent.
    """

    def __init__(self, *, provider: str, base_url: str, headers: Mapping[str, str], limits: Limits) -> None:
        self.provider = provider
        self.limits = limits
        self._base_url = base_url.rstrip("/")
        url = _http_url(self._base_url)
        shown = {"Accept-Encoding": "identity", "User-Agent": "pluggably", **headers}
        self._host = b" HTTP/1.1\r\nHost: " + url.netloc + b"\r\n"
        self._head = self._host + _lines(shown)
        self._form_head = self._host + _lines({name: shown[name] for name in shown if name != "Content-Type"})
        self._deadlines = Deadlines()
        self._connections = Connections(
            host=url.raw_host.decode("ascii"),
            port=url.port or (443 if url.scheme == "https" else 80),
            tls=httpx.create_ssl_context() if url.scheme == "https" else None,
            limit=limits.connections,
            connect_s=limits.connect_s,
            keep_alive_s=limits.keep_alive_s,
            deadlines=self._deadlines,
        )

    def at(self, path: str) -> Target:
        """What a path below the base URL names. Keep it: it takes 11 µs to make one."""
        return Target(httpx.URL(f"{self._base_url}{path}").raw_path)

    def own(self, url: str) -> Target | None:
        """What a URL in an answer names, if that is on this same server: its scheme, host and port, or none at all."""
        base = httpx.URL(f"{self._base_url}/")
        try:
            named = base.join(url)
        except httpx.InvalidURL:
            return None
        return Target(named.raw_path) if _origin(named) == _origin(base) and not named.userinfo else None

    def post(self, target: Target, body: bytes | Form) -> Coroutine[Any, Any, Reply]:
        """Send a request and wait for the answer's head; the caller closes the reply.

        Raises:
            ProviderUnreachable: no connection, or it was lost before the answer began.
            ProviderTimeout: no connection, or no answer, in time.
            ProviderBadResponse: what came back is not HTTP.
        """
        return self._answer(b"POST ", target, body)

    def get(self, target: Target) -> Coroutine[Any, Any, Reply]:
        """Ask for something, with the same credentials: only for what is this server's `own`.

        Raises:
            ProviderUnreachable, ProviderTimeout, ProviderBadResponse: as `post`.
        """
        return self._answer(b"GET ", target, b"")

    def delete(self, target: Target) -> Coroutine[Any, Any, Reply]:
        """Have something on this server deleted.

        Raises:
            ProviderUnreachable, ProviderTimeout, ProviderBadResponse: as `post`.
        """
        return self._answer(b"DELETE ", target, b"")

    async def close(self) -> None:
        """Close every connection."""
        self._connections.close()
        self._deadlines.close()

    async def _answer(self, method: bytes, target: Target, body: bytes | Form) -> Reply:
        """Once more, on a new connection, when one that waited for its next request was closed at the other end."""
        deadline = monotonic() + self.limits.first_byte_s
        try:
            try:
                return await self._asked(method, target, body, deadline)
            except _WentStale:
                return await self._asked(method, target, body, deadline, fresh=True)
        except NoConnectionInTime as exc:
            raise ProviderTimeout(detail=self._says("could not be connected to in time")) from exc
        except NoConnection as exc:
            raise ProviderUnreachable(detail=self._says("cannot be connected to")) from exc
        except TimeoutError as exc:
            raise ProviderTimeout(detail=self._says("did not begin to answer in time")) from exc
        except ConnectionLost as exc:
            raise ProviderUnreachable(detail=self._says("closed the connection without an answer")) from exc
        except NotHttp as exc:
            raise ProviderBadResponse(detail=self._says("answered with something that is not HTTP")) from exc

    async def _asked(
        self, method: bytes, target: Target, body: bytes | Form, deadline: float, *, fresh: bool = False
    ) -> Reply:
        connection = await self._connections.take(deadline - monotonic(), fresh=fresh)
        try:
            await self._send(connection, method, target, body, deadline)
            await connection.head(self._deadlines, deadline - monotonic())
        except BaseException as exc:
            stale = isinstance(exc, ConnectionLost) and not (connection.fresh or connection.heard)
            self._connections.give_back(connection)
            if stale:
                raise _WentStale from exc
            raise
        return Reply(connection, self._connections, self._deadlines, self.provider)

    async def _send(
        self, connection: Connection, method: bytes, target: Target, body: bytes | Form, deadline: float
    ) -> None:
        trace = TRACE.get()
        traced = b"traceparent: %b\r\n" % trace.traceparent.encode() if trace else b""
        if isinstance(body, Form):
            connection.send(b"".join((method, target, self._form_head, traced, _lines(body.headers), b"\r\n")))
            async with asyncio.timeout(deadline - monotonic()):
                await connection.send_body(body)
        else:
            length = b"Content-Length: %d\r\n\r\n" % len(body) if body or method == b"POST " else b"\r\n"
            connection.send(b"".join((method, target, self._head, traced, length, body)))

    def _says(self, what: str) -> str:
        return f"Provider {self.provider!r} {what}."


class _WentStale(Exception):
    """The connection was closed between two requests: it was not new, and nothing of an answer had come."""


def _http_url(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as exc:
        raise ValueError(f"base_url is no URL: {exc}") from exc
    if url.userinfo:
        raise ValueError("base_url has credentials in it, which belong into the variable that api_key_env names")
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("base_url must begin with http:// or https://, and name a host")
    return url


def _lines(headers: Mapping[str, str]) -> bytes:
    """Lines of the head of a request.

    Raises:
        ValueError: a value has a line break in it, or another control character. It is not repeated: it may be a key.
    """
    for name, value in headers.items():
        if not (value.isascii() and value.isprintable()):
            raise ValueError(f"{name} cannot be sent: there are characters in it that no header has")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode("ascii")


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port  # the scheme's own port is None, also when it is said
