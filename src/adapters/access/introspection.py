"""Tokens that only their issuer understands: it is asked what each stands for (RFC 7662)."""

from datetime import timedelta
from typing import Any

import httpx

from ...application.access_ports import Identity
from ...application.ports import Clock
from ...domain.api_key import SECRET
from ...domain.errors import InvalidCredentials, StoreUnavailable
from .claims import ClaimRules, at
from .tokens import looks_like_a_token

BELIEVED = timedelta(seconds=10)
"""How long an answer is believed without asking again: a token that is taken back is refused within that."""

TIMEOUT_S = 5.0
_OK = 200


class IntrospectionAuthenticator:
    """Implements `Authenticator` for the opaque tokens of one issuer."""

    def __init__(
        self,
        *,
        url: str,
        client_id: str,
        client_secret: str,
        audience: str | None,
        rules: ClaimRules,
        clock: Clock,
    ) -> None:
        self._url, self._audience, self._rules, self._clock = url, audience, rules, clock
        self._http = httpx.AsyncClient(
            timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, auth=(client_id, client_secret)
        )

    def knows(self, credential: str) -> bool:
        """Whether it is of no other kind."""
        return not SECRET.fullmatch(credential) and not looks_like_a_token(credential)

    async def authenticate(self, credential: str) -> Identity:
        """Who shows the token."""
        claims = await self._asked(credential)
        if claims.get("active") is not True or not self._is_for_us(claims):
            raise InvalidCredentials(detail="The token is not good, or not any more.")
        until = self._clock() + BELIEVED
        expires = claims.get("exp")
        if isinstance(expires, int | float):
            until = min(until, at(expires))
        return self._rules.identity(claims, until)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.aclose()

    def _is_for_us(self, claims: dict[str, Any]) -> bool:
        if self._audience is None:
            return True
        named = claims.get("aud")
        return self._audience in (named if isinstance(named, list) else [named])

    async def _asked(self, token: str) -> dict[str, Any]:
        try:
            answer = await self._http.post(self._url, data={"token": token, "token_type_hint": "access_token"})
            claims = answer.json() if answer.status_code == _OK else None
        except (httpx.HTTPError, ValueError) as exc:
            raise StoreUnavailable(detail="The issuer of the token cannot be asked now.", retry_after_s=5) from exc
        if not isinstance(claims, dict):
            raise StoreUnavailable(detail="The issuer of the token cannot be asked now.", retry_after_s=5)
        return claims
