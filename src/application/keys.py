"""API keys: made, shown, changed for new ones, taken away."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from attrs import define, frozen

from ..domain.access import NO_LIMITS, Limits, Principal, Scope
from ..domain.api_key import ApiKey, secret_of
from ..domain.errors import InsufficientScope, InvalidRequest, NotFound, VersionConflict
from .access_ports import KeyStore
from .ports import Clock, IdFactory


@frozen(kw_only=True)
class NewKey:
    """A key to make. Without an `owner` it is its own: what is opened with it belongs to nobody else."""

    name: str
    scopes: frozenset[Scope]
    owner: str | None = None
    models: tuple[str, ...] | None = None
    limits: Limits = NO_LIMITS
    expires_at: datetime | None = None


@frozen
class ShownKey:
    """A key with its secret, which is shown this once."""

    key: ApiKey
    secret: str


@define(kw_only=True)
class Keys:
    """The keys of a service. All of it needs the scope `admin`."""

    store: KeyStore
    clock: Clock
    new_id: IdFactory
    new_secret: Callable[[], str]

    async def create(self, wanted: NewKey, principal: Principal) -> ShownKey:
        """Make a key; nobody gives away scopes or models that they do not have themselves.

        Raises:
            InsufficientScope, InvalidRequest: as they say.
        """
        principal.require(Scope.ADMIN)
        _require_all(wanted.scopes, wanted.models, principal)
        at = self.clock()
        if wanted.expires_at is not None and wanted.expires_at <= at:
            raise InvalidRequest.at("/expires_at", "is in the past")
        secret, key_id = self.new_secret(), self.new_id("key")
        key = ApiKey(
            id=key_id,
            name=wanted.name,
            owner=wanted.owner or key_id,
            scopes=wanted.scopes,
            secrets=(secret_of(secret),),
            created_at=at,
            models=wanted.models,
            limits=wanted.limits,
            expires_at=wanted.expires_at,
        )
        await self.store.add(key)
        return ShownKey(key, secret)

    async def list(self, principal: Principal) -> Sequence[ApiKey]:
        """All keys, those that were revoked too."""
        principal.require(Scope.ADMIN)
        return await self.store.list()

    async def get(self, key_id: str, principal: Principal) -> ApiKey:
        """One key.

        Raises:
            NotFound: there is none with that id.
        """
        principal.require(Scope.ADMIN)
        if (key := await self.store.get(key_id)) is None:
            raise NotFound.of("key", key_id)
        return key

    async def rotate(self, key_id: str, overlap: timedelta, principal: Principal) -> ShownKey:
        """Give a key a new secret; the old one is good for as long as `overlap`.

        Raises:
            NotFound, VersionConflict: as they say.
            InsufficientScope: whoever has the new secret could do more than the principal.
        """
        key = await self.get(key_id, principal)
        _require_all(key.scopes, key.models, principal)
        if key.revoked_at is not None:
            raise InvalidRequest.at("", f"key {key_id!r} was revoked: make another one")
        secret = self.new_secret()
        return ShownKey(await self._replaced(key, key.rotated(secret_of(secret), self.clock(), overlap)), secret)

    async def revoke(self, key_id: str, principal: Principal) -> ApiKey:
        """Believe nobody any more who shows it; within a second, in every process.

        Raises:
            NotFound, VersionConflict: as they say.
        """
        key = await self.get(key_id, principal)
        return await self._replaced(key, key.revoked(self.clock()))

    async def _replaced(self, key: ApiKey, new: ApiKey) -> ApiKey:
        if not await self.store.replace(new, key):
            raise VersionConflict(detail=f"Key {key.id!r} was changed by somebody else meanwhile: look at it again.")
        return new


def _require_all(scopes: frozenset[Scope], models: tuple[str, ...] | None, principal: Principal) -> None:
    """Insist that the principal has all of that. A pattern is theirs only if they have the very same."""
    if lacking := sorted(scopes - principal.scopes):
        raise InsufficientScope(detail=f"You cannot give scopes that you do not have: {', '.join(lacking)}.")
    if principal.models is None:
        return
    if models is None:
        raise InsufficientScope(detail=f"You can give a key to your own models only: {', '.join(principal.models)}.")
    for name in models:
        if name not in principal.models and (_is_pattern(name) or not principal.may_ask(name)):
            raise InsufficientScope(detail=f"You cannot give models that you do not have: {name}.")


def _is_pattern(name: str) -> bool:
    return any(it in name for it in "*?[")
