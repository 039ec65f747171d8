"""The public keys of an issuer: found by OpenID Connect Discovery 1.0, kept, and fetched anew when they change.

Fetched when the first token comes, and then regularly, apart from requests. After that only a token with a key id that
is not known makes a request wait for them, and that once in `AT_MOST_EVERY_S` at most, so that tokens with made-up key
ids cost the issuer nothing. An issuer that fails is one whose keys have not changed.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, KeySet

from ...domain.errors import StoreUnavailable
from .fetched import Refused, json_of

AT_MOST_EVERY_S = 10.0
DISCOVERY = "/.well-known/openid-configuration"
_log = structlog.get_logger()


class IssuerKeys:
    """Implements `KeySource` by the keys that one issuer publishes."""

    def __init__(
        self, issuer: str, *, jwks_url: str | None = None, every_s: float = 300.0, now: Callable[[], float] = monotonic
    ) -> None:
        """`jwks_url` is where they are, if that is not to be asked of the issuer."""
        self._issuer, self._jwks_url, self._every_s, self._now = issuer, jwks_url, every_s, now
        self._http = httpx.AsyncClient(follow_redirects=False, trust_env=False)
        self._keys: KeySet | None = None
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._refreshing: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> KeySet:
        """The keys, with that one among them if the issuer has it.

        Raises:
            StoreUnavailable: they cannot be had now, and never could.
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

    async def _keep_fetching(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self._fetch_once()

    async def _fetch_once(self) -> None:
        """Fetch them, unless that was just done; whoever comes meanwhile waits for the same."""
        if self._fetching is None or self._fetching.done():
            if self._now() - self._fetched_at < AT_MOST_EVERY_S:
                return
            self._fetched_at = self._now()
            self._fetching = asyncio.create_task(self._fetch())
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        first = self._keys is None
        try:
            url = self._jwks_url or await self._discovered()
            self._keys = _key_set(await json_of(self._http, "GET", url))
            if first:  # which no made-up key id has caused
                self._fetched_at = float("-inf")
        except (Refused, ValueError) as error:
            _log.warning("issuer.keys_failed", issuer=self._issuer, error=str(error))

    async def _discovered(self) -> str:
        said = await json_of(self._http, "GET", self._issuer.rstrip("/") + DISCOVERY)
        if not isinstance(said, dict) or said.get("issuer") != self._issuer:
            raise Refused("the discovery document is another issuer's")
        url = said.get("jwks_uri")
        if not isinstance(url, str) or urlsplit(url).scheme != urlsplit(self._issuer).scheme:
            raise Refused("the discovery document does not say where the keys are")
        return url


def _key_set(said: Any) -> KeySet:
    """The keys that sign, of those that are known to be such; others are passed over (RFC 7517, 5)."""
    keys = []
    for it in said.get("keys", ()) if isinstance(said, Mapping) else ():
        if isinstance(it, dict) and it.get("use", "sig") == "sig" and it.get("kty") != "oct":
            with suppress(JoseError, ValueError, TypeError, KeyError):
                keys.append(JWKRegistry.import_key(it))
    if not keys:
        raise Refused("there are no keys")
    return KeySet(keys)


def _has(keys: KeySet, key_id: str | None) -> bool:
    return key_id is None or any(key.kid == key_id for key in keys.keys)
