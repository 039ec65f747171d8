"""Requests to addresses that were chosen before, by aiohttp (3.14).

Proxies that the environment names are not used, cookies and credentials are not sent, redirects are not followed, and
nothing is decompressed. aiohttp does not look up a host that looks like an address; the guard takes the same for one.
"""

import socket
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import cache

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from ...domain.errors import UrlUnavailable

READ_BYTES = 2**19
"""What aiohttp holds of an answer before it lets the server wait: less costs speed."""

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "pluggably"}


@asynccontextmanager
async def get(
    url: URL, addresses: Sequence[str], headers: Mapping[str, str], silence_s: float | None
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer of a server at one of the addresses, which must have a certificate for the URL's host.

    Raises:
        UrlUnavailable: there is none, or it breaks off, or is silent for so many seconds.
    """
    connector = aiohttp.TCPConnector(resolver=_Chosen(addresses), use_dns_cache=False, ssl=_tls(), force_close=True)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=_HEADERS,
                auto_decompress=False,
                trust_env=False,
                read_bufsize=READ_BYTES,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=silence_s, sock_read=silence_s),
            ) as session,
            session.get(url, allow_redirects=False, headers=headers) as response,
        ):
            yield response
    except (aiohttp.ClientError, TimeoutError) as exc:
        raise UrlUnavailable(detail="The server of the URL could not be reached, or broke off.") from exc


class _Chosen(AbstractResolver):
    """Finds nothing but the addresses that were chosen."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - aiohttp's signature
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Nothing is held open."""


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
