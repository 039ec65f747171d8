"""What may be connected to, of all that a client or another server names.

A host is looked up once for each request; all addresses that it has must be public, and the connection goes to one of
these very addresses, so that a name server that answers differently the next time gains nothing. Each redirect is a
request like the first. Only `https:` on its own port, unless the operator says otherwise.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol, TypeVar

from yarl import URL

from ...domain.errors import UrlNotAllowed, UrlUnavailable
from .addresses import is_public

MOST_REDIRECTS = 5
LONGEST_URL = 8_192
_REDIRECTS = (301, 302, 303, 307, 308)
_CREDENTIALS = "authorization"

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""The numeric addresses of a host; raises OSError if it has none."""


async def system_lookup(host: str, port: int) -> Sequence[str]:
    """What the system's resolver says."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Response(Protocol):
    """What is looked at of an answer; the names of headers may be given in small letters."""

    @property
    def status(self) -> int:
        """The code of it."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """By their names."""
        ...


R = TypeVar("R", bound=Response)

Get = Callable[[URL, Sequence[str], Mapping[str, str], float | None], AbstractAsyncContextManager[R]]
"""Asks a server at one of the addresses for what a URL names, and follows nothing; see `pinned.get`, `direct.get`."""


class EgressGuard:
    """Opens URLs, and the redirects that they lead to, where that is allowed."""

    def __init__(
        self, *, plain_http: bool = False, private_origins: Collection[str] = (), lookup: Lookup = system_lookup
    ) -> None:
        """Nothing is connected to before it is asked for.

        Args:
            plain_http: also fetch from `http:`, on its own port.
            private_origins: `scheme://host:port` of servers of the operator's own, which may be fetched from although
                they are not public. They count as such when a client names them or one of them redirects to another;
                no other server can redirect to them.
            lookup: finds addresses.
        """
        self._schemes = ("https", "http") if plain_http else ("https",)
        self._private = frozenset(_origin(URL(it)) for it in private_origins)
        self._lookup = lookup

    @asynccontextmanager
    async def open(
        self, text: str, headers: Mapping[str, str], get: "Get[R]", *, silence_s: float | None = None
    ) -> AsyncIterator[R]:
        """The first answer that is no redirect, whatever its status.

        `headers` go to every server of the way, but credentials among them only to the origin of the URL itself. What
        keeps silent for `silence_s` is given up.

        Raises:
            UrlNotAllowed: the URL, or what it redirects to, is not one to connect to; nobody was.
            UrlUnavailable: there is no answer, or no end of redirects.
        """
        url, private, sent = _parsed(text), True, dict(headers)
        first = _origin(url)
        for _ in range(MOST_REDIRECTS + 1):
            private = private and _origin(url) in self._private
            async with get(url, await self._addresses(url, private=private), sent, silence_s) as response:
                if response.status not in _REDIRECTS:
                    yield response
                    return
                url = _parsed(response.headers.get("location", ""), url)
            if _origin(url) != first:
                sent = {name: value for name, value in sent.items() if name.lower() != _CREDENTIALS}
        raise UrlUnavailable(detail=f"The server of the URL redirects more than {MOST_REDIRECTS} times.")

    async def _addresses(self, url: URL, *, private: bool) -> Sequence[str]:
        """Where to connect to.

        Raises:
            UrlNotAllowed: not to this; nobody was connected to.
        """
        if not private and (url.scheme not in self._schemes or not url.is_default_port()):
            raise UrlNotAllowed(detail=f"URLs are fetched from {' and '.join(self._schemes)}, on its own port.")
        host = url.host or ""
        try:
            addresses = [host] if _is_numeric(host) else await self._lookup(host, url.port or 0)
        except (OSError, UnicodeError) as exc:
            raise UrlUnavailable(detail="The host of the URL has no address.") from exc
        if not private and not all(map(is_public, addresses)):
            raise UrlNotAllowed(detail="The host of the URL is not a public one.")
        return addresses


def _parsed(text: str, base: URL | None = None) -> URL:
    """A URL, or where a redirect from `base` leads.

    Raises:
        UrlNotAllowed: it is none with a host, or has credentials in it.
    """
    try:
        url = URL(text) if base is None else base.join(URL(text))
        if len(text) <= LONGEST_URL and text and url.host and url.user is None and url.password is None and url.port:
            return url.with_fragment(None)
    except ValueError:
        pass
    raise UrlNotAllowed(detail="The URL is not one that can be fetched.")


def _origin(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.host, url.port  # `URL.origin()` takes a port that is said for another than one that is not


def _is_numeric(host: str) -> bool:
    return ":" in host or host.replace(".", "").isdigit()
