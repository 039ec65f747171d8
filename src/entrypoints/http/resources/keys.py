"""`/v1/keys`: API keys, for whoever has the scope `admin`; and `/v1/me`: what one's own credentials are good for."""

from datetime import timedelta
from typing import Annotated, Any

from attrs import asdict, frozen
from falcon.asgi import Response

from ....application.keys import Keys, NewKey, ShownKey
from ....domain.access import NO_LIMITS, Limits, Principal, Scope
from ....domain.api_key import ApiKey
from ....domain.parameters import Field
from ..body import Nothing, principal_of, read_body, read_query, read_time, refuse_idempotency_key
from ..exchange import Request
from ..paging import list_object


@frozen(kw_only=True)
class LimitsWanted:
    """How much may be asked; what is absent has no limit."""

    requests_per_minute: Annotated[int | None, Field("Requests for generations a minute.", 1, 10_000_000)] = None
    tokens_per_minute: Annotated[int | None, Field("Tokens of inputs and outputs a minute.", 1, 10**12)] = None
    concurrent: Annotated[int | None, Field("Requests for generations at work at once.", 1, 1_000_000)] = None


@frozen(kw_only=True)
class KeyWanted:
    """A key to make."""

    name: Annotated[str, Field("What people call it.", max_length=128)]
    scopes: Annotated[tuple[Scope, ...], Field("What it is good for.")]
    owner: Annotated[
        str | None,
        Field("Whose it is: keys of one owner share sessions and files. Absent: nobody else's.", max_length=128),
    ] = None
    models: Annotated[tuple[str, ...] | None, Field("The models it is for, by id or pattern; absent: all.")] = None
    limits: Annotated[LimitsWanted | None, Field("How much may be asked with it.")] = None
    expires_at: Annotated[str | None, Field("When it ends, such as 2027-01-31T12:00:00Z; absent: never.")] = None

    def new_key(self) -> NewKey:
        """As the use case takes it."""
        return NewKey(
            name=self.name,
            scopes=frozenset(self.scopes),
            owner=self.owner,
            models=self.models,
            limits=Limits(**asdict(self.limits)) if self.limits else NO_LIMITS,
            expires_at=read_time("/expires_at", self.expires_at),
        )


@frozen(kw_only=True)
class Rotation:
    """How a key gets a new secret."""

    overlap_s: Annotated[int, Field("How long the old secret is still good.", 0, 2_592_000, unit="seconds")] = 0


@frozen
class KeyResource:
    """The resource."""

    keys: Keys

    async def on_post(self, req: Request, resp: Response) -> None:
        """Make a key; its secret is in this answer alone."""
        refuse_idempotency_key(req, "")
        shown = await self.keys.create(read_body(req, KeyWanted).new_key(), principal_of(req))
        resp.status_code = 201
        resp.location = f"/v1/keys/{shown.key.id}"
        resp.media = shown_object(shown)

    async def on_get(self, req: Request, resp: Response) -> None:
        """All keys."""
        read_query(req, Nothing)
        resp.media = list_object([key_object(key) for key in await self.keys.list(principal_of(req))])

    async def on_get_one(self, req: Request, resp: Response, key_id: str) -> None:
        """One key."""
        read_query(req, Nothing)
        resp.media = key_object(await self.keys.get(key_id, principal_of(req)))

    async def on_delete_one(self, req: Request, resp: Response, key_id: str) -> None:
        """Revoke it; it stays in the list."""
        refuse_idempotency_key(req, "")
        resp.media = key_object(await self.keys.revoke(key_id, principal_of(req)))

    async def on_post_rotate(self, req: Request, resp: Response, key_id: str) -> None:
        """Give it a new secret, which is in this answer alone."""
        refuse_idempotency_key(req, "")
        overlap = timedelta(seconds=read_body(req, Rotation).overlap_s)
        resp.media = shown_object(await self.keys.rotate(key_id, overlap, principal_of(req)))


@frozen
class Me:
    """The resource."""

    async def on_get(self, req: Request, resp: Response) -> None:
        """What the credentials are good for."""
        read_query(req, Nothing)
        resp.media = principal_object(principal_of(req))


def key_object(key: ApiKey) -> dict[str, Any]:
    """A key without its secrets."""
    return {
        "id": key.id,
        "object": "key",
        "name": key.name,
        "owner": key.owner,
        "scopes": sorted(key.scopes),
        "models": key.models,
        "limits": asdict(key.limits),
        "secrets": [{"hint": f"…{it.hint}", "until": it.until} for it in key.secrets],
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def shown_object(shown: ShownKey) -> dict[str, Any]:
    """A key with its secret."""
    return key_object(shown.key) | {"secret": shown.secret}


def principal_object(principal: Principal) -> dict[str, Any]:
    """Somebody, as they are known here."""
    return {
        "id": principal.id,
        "object": "principal",
        "method": principal.method,
        "scopes": sorted(principal.scopes),
        "models": principal.models,
        "limits": asdict(principal.limits),
    }
