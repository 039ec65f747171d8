"""Who asks: credentials become a principal, once and then from memory."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from attrs import define, field, frozen

from ..domain.access import LOCAL_OPERATOR, Principal
from ..domain.api_key import SECRET, digest_of
from ..domain.errors import InvalidCredentials
from .access_ports import Authenticator, Identity, KeyStore
from .ports import Clock

MOST_REMEMBERED = 10_000
BELIEVED = timedelta(seconds=0.9)
"""How long a key is believed without looking again: a key that is revoked is refused within a second."""

LONGEST = 16_384
"""How many characters a credential may have: there are servers that take no longer headers at all."""

NOTED = timedelta(minutes=1)
"""How often it is noted at most that a key was used."""


@frozen
class _Verified:
    identity: Identity
    at: datetime

    def holds(self, now: datetime) -> bool:
        """A clock that was set back gives no longer belief."""
        return self.at <= now < self.identity.until


@define(eq=False, kw_only=True)
class Access:
    """Finds out who asks. Without any way to do so, everybody is the operator, who is on this machine."""

    authenticators: Sequence[Authenticator]
    clock: Clock
    _known: OrderedDict[bytes, _Verified] = field(init=False, factory=OrderedDict)

    @property
    def is_open(self) -> bool:
        """Whether nobody has to show anything."""
        return not self.authenticators

    async def principal(self, credential: str | None) -> Principal:
        """Who shows the credential.

        Raises:
            InvalidCredentials: there is none, or it is not good.
            GatewayError: it cannot be found out now.
        """
        if self.is_open:
            return LOCAL_OPERATOR
        if credential is None:
            raise InvalidCredentials(detail="Send an API key or a token: `Authorization: Bearer …`, or `X-API-Key: …`.")
        if not 0 < len(credential) <= LONGEST:
            raise InvalidCredentials
        now, digest = self.clock(), sha256(credential.encode("utf-8", "surrogatepass")).digest()
        if (known := self._known.get(digest)) and known.holds(now):
            return known.identity.principal
        identity = await self._identity(credential)
        self._known[digest] = _Verified(identity, now)
        self._known.move_to_end(digest)
        if len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return identity.principal

    async def close(self) -> None:
        """Let go of connections."""
        for authenticator in self.authenticators:
            await authenticator.close()

    async def _identity(self, credential: str) -> Identity:
        for authenticator in self.authenticators:
            if authenticator.knows(credential):
                return await authenticator.authenticate(credential)
        raise InvalidCredentials


@define(eq=False, kw_only=True)
class KeyAuthenticator:
    """Implements `Authenticator` for API keys."""

    store: KeyStore
    clock: Clock
    _noted: dict[str, datetime] = field(init=False, factory=dict)

    def knows(self, credential: str) -> bool:
        """Whether it looks like a secret."""
        return SECRET.fullmatch(credential) is not None

    async def authenticate(self, credential: str) -> Identity:
        """Who shows the secret."""
        at, digest = self.clock(), digest_of(credential)
        key = await self.store.with_secret(digest)
        if key is None or not key.is_good(digest, at):
            raise InvalidCredentials
        if at - self._noted.get(key.id, at - NOTED) >= NOTED:
            self._noted[key.id] = at
            await self.store.used(key.id, at)
        until = min(it for it in (at + BELIEVED, key.expires_at, *(it.until for it in key.secrets)) if it and it > at)
        return Identity(principal=key.as_principal(), until=until)

    async def close(self) -> None:
        """Nothing is held open."""
