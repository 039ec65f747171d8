"""An API key: who shows it, what they may do, and until when it is good.

What is kept of a secret is its sha256: it has 256 random bits, so that nothing slower is needed. A key may have several
secrets while one takes the place of another.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from attrs import evolve, frozen

from .access import NO_LIMITS, Limits, Principal, Scope

SECRET = re.compile(r"plk_[A-Za-z0-9_-]{43}")
"""How a secret looks: nobody takes anything else for one."""

METHOD = "api_key"


@frozen(kw_only=True)
class KeySecret:
    """One secret of a key, by its digest; good before `until`, or as long as the key is. `hint` is its last letters."""

    digest: str
    hint: str
    until: datetime | None = None


@frozen(kw_only=True)
class ApiKey:
    """A key. What is opened with it belongs to `owner`, who may have several; `models` as in `Principal`."""

    id: str
    name: str
    owner: str
    scopes: frozenset[Scope]
    secrets: tuple[KeySecret, ...]
    created_at: datetime
    models: tuple[str, ...] | None = None
    limits: Limits = NO_LIMITS
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def is_good(self, digest: str, at: datetime) -> bool:
        """Whether whoever shows that secret then is believed."""
        if self.revoked_at is not None or (self.expires_at is not None and at >= self.expires_at):
            return False
        return any(it.digest == digest and (it.until is None or at < it.until) for it in self.secrets)

    def rotated(self, secret: KeySecret, at: datetime, overlap: timedelta) -> "ApiKey":
        """The key with a new secret; those it had are good for as long as `overlap`, if not for less."""
        end = at + overlap
        old = [evolve(it, until=end if it.until is None else min(it.until, end)) for it in self.secrets]
        return evolve(self, secrets=(secret, *(it for it in old if it.until is not None and at < it.until)))

    def revoked(self, at: datetime) -> "ApiKey":
        """The key that nobody is believed for any more; the first time counts."""
        return evolve(self, revoked_at=self.revoked_at or at)

    def as_principal(self) -> Principal:
        """Who shows it."""
        return Principal(
            id=self.owner, method=METHOD, scopes=self.scopes, models=self.models, limits=self.limits, account=self.id
        )


def secret_of(text: str, until: datetime | None = None) -> KeySecret:
    """What is kept of a secret."""
    return KeySecret(digest=digest_of(text), hint=text[-4:], until=until)


def digest_of(text: str) -> str:
    """By what a secret is found."""
    return sha256(text.encode()).hexdigest()


def unknown_scopes(names: Sequence[str]) -> list[str]:
    """Those of the names that no scope has."""
    return [name for name in names if name not in set(Scope)]
