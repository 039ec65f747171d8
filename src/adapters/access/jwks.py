"""The public keys of an issuer: found by OpenID Connect Discovery 1.0, kept, and fetched anew when they change.

Fetched apart from requests, at start and then regularly. Only a token with a key id that is not known makes a request
wait for them, and that once in `AT_MOST_EVERY_S` at most, so that tokens with made-up key ids cost the issuer nothing.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

import httpx
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from ...domain.errors import GatewayError, StoreUnavailable

AT_MOST_EVERY_S = 10.0
TIMEOUT_S = 5.0
LIMIT_BYTES = 2**20
_DISCOVERY = "/.well-known/openid-configuration"


class IssuerKeys:
    """The keys of one issuer. `open` it for as long as it is used."""

    def __init__(
        self, issuer: str, *, jwks_url: str | None = None, every_s: float = 300.0, now: Callable[[], float] = monotonic
    ) -> None:
        """`jwks_url` is where they are, if that is not to be asked of the issuer."""
        self._issuer, self._jwks_url, self._every_s, self._now = issuer.rstrip("/"), jwks_url, every_s, now
        self._http = httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)
        self._keys: KeySet | None = None
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> KeySet:
        """The keys, with that one among them if the issuer has it.

        Raises:
            GatewayError: they cannot be had now, and never could.
        """
        if self._refreshing is None:
            self._refreshing = asyncio.create_task(self._keep_fetching())
        if self._keys is None or not _has(self._keys, key_id):
            await self._fetch_once()
        if self._keys is None:
            raise StoreUnavailable(detail="The keys of the issuer of the token cannot be had now.", retry_after_s=5)
        return self._keys

    async def close(self) -> None:
        """Let go of connections."""
        for task in (self._refreshing, self._fetching):
            if task:
                task.cancel()
                await asyncio.wait({task})
        await self._http.aclose()

    async def _fetch_once(self) -> None:
        """Fetch them, unless that was just done; whoever comes meanwhile waits for the same."""
        if self._fetching is None:
            if self._now() - self._fetched_at < AT_MOST_EVERY_S:
                return
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._done)
        await asyncio.shield(self._fetching)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._fetching = None
        if not task.cancelled():
            task.exception()

    async def _keep_fetching(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            with suppress(GatewayError):
                await self._fetch_once()

    async def _fetch(self) -> None:
        self._fetched_at = self._now()
        try:
            url = self._jwks_url or await self._discovered()
            self._keys = KeySet.import_key_set(await self._json(url))
        except (httpx.HTTPError, httpx.InvalidURL, JoseError, ValueError, KeyError, TypeError) as exc:
            if self._keys is None:
                raise StoreUnavailable(
                    detail="The keys of the issuer of the token cannot be had now.", retry_after_s=5
                ) from exc

    async def _discovered(self) -> str:
        said = await self._json(self._issuer + _DISCOVERY)
        if str(said["issuer"]).rstrip("/") != self._issuer:
            raise ValueError("the discovery document is another issuer's")
        return str(said["jwks_uri"])

    async def _json(self, url: str) -> Any:
        async with self._http.stream("GET", url) as response:
            response.raise_for_status()
            body = b""
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > LIMIT_BYTES:
                    raise ValueError("too large")
        return httpx.Response(200, content=body).json()


def _has(keys: KeySet, key_id: str | None) -> bool:
    return key_id is None or any(key.kid == key_id for key in keys.keys)
