"""JSON Web Tokens (RFC 7519) of an issuer: signed with one of its keys, or with a secret that is shared with it.

Checked by joserfc: the algorithm is one of those that were configured (RFC 8725: never what the token asks for, and a
public key never takes part in an HMAC), no `crit` that it does not know, the signature, `iss`, `aud`, `exp` (which must
be there), `nbf` and `iat`, each within the leeway. Tokens that say by `typ` that they are of another kind are refused,
such as logout tokens; an ID token says nothing, and is told apart by its audience.
"""

import base64
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Protocol

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey
from joserfc.jws import JWSRegistry

from ...application.access_ports import Identity
from ...application.ports import Clock
from ...domain.errors import InvalidCredentials
from .claims import ClaimRules, until

PUBLIC_ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)
SECRET_ALGORITHMS = ("HS256", "HS384", "HS512")
BELIEVED = timedelta(seconds=60)
"""How long a token that was verified is believed without looking again, at most until it expires."""

_PARTS = 3
_TYPES = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_REFUSED = "The token is not good, or not any more."


class KeySource(Protocol):
    """Where the keys are that verify."""

    async def find(self, key_id: str | None) -> "KeySet | OctKey":
        """The keys, with that one among them if there is one."""
        ...

    async def close(self) -> None:
        """Let go of connections."""


class SharedSecret:
    """A `KeySource` of one secret."""

    def __init__(self, secret: str) -> None:
        """At least 32 bytes, as HMAC with SHA-256 wants it."""
        self._key = OctKey.import_key(secret)

    async def find(self, key_id: str | None) -> OctKey:  # noqa: ARG002 - the signature of those who have several keys
        """The secret."""
        return self._key

    async def close(self) -> None:
        """Nothing is held open."""


class TokenAuthenticator:
    """Implements `Authenticator` for the tokens of one issuer."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        algorithms: Sequence[str],
        keys: KeySource,
        rules: ClaimRules,
        clock: Clock,
        leeway_s: int = 30,
    ) -> None:
        self._issuer, self._algorithms, self._keys, self._rules = issuer, tuple(algorithms), keys, rules
        # Header parameters that are not known, such as an issuer's own, mean nothing unless `crit` has them (RFC 7515).
        self._registry = JWSRegistry(algorithms=self._algorithms, strict_check_header=False)
        self._clock, self._leeway_s = clock, leeway_s
        self._claims: dict[str, Any] = {
            "iss": {"essential": True, "value": issuer},
            "aud": {"essential": True, "value": audience},
            "exp": {"essential": True},
            "sub": {"essential": True},
        }

    def knows(self, credential: str) -> bool:
        """Whether it looks like a token that says it is of this issuer."""
        return _unverified(credential, 1).get("iss") == self._issuer

    async def authenticate(self, credential: str) -> Identity:
        """Who shows the token."""
        header = _unverified(credential, 0)
        if header.get("alg") not in self._algorithms:
            raise InvalidCredentials(detail="The token is signed in a way that is not accepted here.")
        if str(header.get("typ", "JWT")).lower() not in _TYPES:
            raise InvalidCredentials(detail="The token is no access token.")
        key_id = header.get("kid")
        keys = await self._keys.find(key_id if isinstance(key_id, str) else None)
        now = self._clock()
        try:
            token = jwt.decode(credential, keys, algorithms=self._algorithms, registry=self._registry)
            rules = jwt.JWTClaimsRegistry(now=int(now.timestamp()), leeway=self._leeway_s, **self._claims)
            rules.validate(token.claims)
        except (JoseError, ValueError, TypeError, OverflowError, RecursionError) as exc:
            raise InvalidCredentials(detail=_REFUSED) from exc
        return self._rules.identity(token.claims, until(token.claims["exp"] + self._leeway_s, at_most=now + BELIEVED))

    async def close(self) -> None:
        """Let go of connections."""
        await self._keys.close()


def looks_like_a_token(credential: str) -> bool:
    """Whether it has the form of a JSON Web Token."""
    return bool(_unverified(credential, 0))


def _unverified(credential: str, part: int) -> dict[str, Any]:
    """A part of a token, before anything of it is believed; empty for what is none."""
    parts = credential.split(".")
    if len(parts) != _PARTS:
        return {}
    try:
        text = base64.urlsafe_b64decode(parts[part] + "=" * (-len(parts[part]) % 4))
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
