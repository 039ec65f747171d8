"""Tokens that only their issuer understands: it is asked what each stands for (RFC 7662)."""

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import quote_plus

import httpx

from ...application.access_ports import Identity
from ...application.ports import Clock
from ...domain.api_key import SECRET
from ...domain.errors import InvalidCredentials, StoreUnavailable
from .claims import ClaimRules, until
from .fetched import Refused, json_of
from .tokens import looks_like_a_token

BELIEVED = timedelta(seconds=10)
"""How long an answer is believed without asking again: a token that is taken back is refused within that."""


class IntrospectionAuthenticator:
    """Implements `Authenticator` for the opaque tokens of one issuer."""

    def __init__(
        self,
        *,
        issuer: str,
        url: str,
        client_id: str,
        client_secret: str,
        audience: str,
        rules: ClaimRules,
        clock: Clock,
    ) -> None:
        self._issuer, self._url, self._audience, self._rules, self._clock = issuer, url, audience, rules, clock
        who = httpx.BasicAuth(quote_plus(client_id), quote_plus(client_secret))  # as RFC 6749, 2.3.1, has it
        self._http = httpx.AsyncClient(follow_redirects=False, trust_env=False, auth=who)

    def knows(self, credential: str) -> bool:
        """Whether it is of no other kind."""
        return not SECRET.fullmatch(credential) and not looks_like_a_token(credential)

    async def authenticate(self, credential: str) -> Identity:
        """Who shows the token."""
        now = self._clock()
        claims = await self._asked(credential)
        if claims.get("active") is not True or not self._is_for_us(claims):
            raise InvalidCredentials(detail="The token is not good, or not any more.")
        expires = claims.get("exp", math.inf)
        if not isinstance(expires, int | float) or math.isnan(expires):
            raise InvalidCredentials(detail="The token does not say until when it is good.")
        who = {"sub": claims.get("client_id"), **claims}  # a client that acts for itself, as in RFC 9068, 2.2
        return self._rules.identity(who, until(expires, at_most=now + BELIEVED))

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    def _is_for_us(self, claims: Mapping[str, Any]) -> bool:
        named = claims.get("aud")
        return claims.get("iss", self._issuer) == self._issuer and self._audience in (
            named if isinstance(named, list) else [named]
        )

    async def _asked(self, token: str) -> Mapping[str, Any]:
        asked = {"token": token, "token_type_hint": "access_token"}
        try:
            claims = await json_of(self._http, "POST", self._url, data=asked)
        except Refused as exc:
            raise StoreUnavailable(detail="The issuer of the token cannot be asked now.", retry_after_s=5) from exc
        if not isinstance(claims, dict):
            raise StoreUnavailable(detail="The issuer of the token cannot be asked now.", retry_after_s=5)
        return claims
