"""Who vouches for whom, for the composition root; each adapter is imported when it is built."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from ...application.access import Access, KeyAuthenticator
from ...application.access_ports import Authenticator, KeyStore, Meter
from ...application.ports import Clock, IdFactory
from ..settings import Settings, SettingsError
from ..settings.access import IssuerSettings
from ..upkeep.periodic import repeated
from .environment import secret

if TYPE_CHECKING:
    from ...adapters.database.sql import Database

RENEW_S = 5.0
LEAST_SECRET = 32


def new_secret() -> str:
    """A new secret of a key: 256 random bits."""
    return f"plk_{token_urlsafe(32)}"


def key_store(database: "Database") -> KeyStore:
    """Where keys are."""
    from ...adapters.access.keys import SqlKeyStore

    return SqlKeyStore(database)


def meter(settings: Settings, database: "Database", new_id: IdFactory) -> Meter:
    """What counts: in the database if several processes share it."""
    if settings.sessions.store == "postgres":
        from ...adapters.access.meter import SqlMeter

        return SqlMeter(database, new_id("run"))
    from ...adapters.memory.access import MemoryMeter

    return MemoryMeter()


def access(settings: Settings, keys: KeyStore, clock: Clock) -> Access:
    """Who finds out who asks, by every method of the settings."""
    methods, found = settings.access.methods, list[Authenticator]()
    if "api_key" in methods:
        found.append(KeyAuthenticator(store=keys, clock=clock))
    if "jwt" in methods:
        found.append(_with_secret(settings, clock))
    if "oidc" in methods:
        found += [it for issuer in settings.issuers for it in _of_issuer(issuer, clock)]
    return Access(authenticators=found, clock=clock)


def _with_secret(settings: Settings, clock: Clock) -> Authenticator:
    from ...adapters.access.claims import ClaimRules
    from ...adapters.access.tokens import SharedSecret, TokenAuthenticator

    wanted = settings.access
    shared = secret(wanted.secret_env or "", "Tokens are verified with a secret")
    if len(shared) < LEAST_SECRET:
        raise SettingsError(detail=f"The secret in {wanted.secret_env} must have {LEAST_SECRET} characters at least.")
    return TokenAuthenticator(
        issuer=wanted.secret_issuer,
        audience=wanted.audience,
        algorithms=("HS256",),
        keys=SharedSecret(shared),
        rules=ClaimRules(issuer="jwt", method="jwt"),
        clock=clock,
    )


def _of_issuer(issuer: IssuerSettings, clock: Clock) -> list[Authenticator]:
    from ...adapters.access.claims import ClaimRules
    from ...adapters.access.introspection import IntrospectionAuthenticator
    from ...adapters.access.jwks import IssuerKeys
    from ...adapters.access.tokens import TokenAuthenticator

    rules = ClaimRules(issuer=issuer.name, scope_claim=issuer.scope_claim, scope_prefix=issuer.scope_prefix)
    found: list[Authenticator] = [
        TokenAuthenticator(
            issuer=issuer.issuer,
            audience=issuer.audience,
            algorithms=issuer.algorithms,
            keys=IssuerKeys(issuer.issuer, jwks_url=issuer.jwks_url),
            rules=rules,
            clock=clock,
            leeway_s=issuer.leeway_s,
        )
    ]
    if issuer.introspection_url:
        found.append(
            IntrospectionAuthenticator(
                issuer=issuer.issuer,
                url=issuer.introspection_url,
                client_id=issuer.client_id or "",
                client_secret=secret(issuer.client_secret_env or "", f"Issuer {issuer.name!r} knows us by a secret"),
                audience=issuer.audience,
                rules=rules,
                clock=clock,
            )
        )
    return found


@asynccontextmanager
async def being_metered(meter: Meter, clock: Clock) -> AsyncIterator[None]:
    """Say that what is at work is, until the context is left."""

    async def renew() -> None:
        await meter.renew(clock())

    async with repeated(renew, RENEW_S, failed="meter.renewal_failed"):
        yield
