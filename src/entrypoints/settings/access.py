"""The tables `[access]` and `[[issuers]]`: who may use the service."""

from typing import Annotated, Literal

from attrs import frozen

from ...domain.parameters import Field


@frozen(kw_only=True)
class AccessSettings:
    """Who may use the service. Without any method it listens on loopback only, and whoever is there is its operator."""

    methods: Annotated[
        tuple[Literal["api_key", "oidc", "jwt"], ...],
        Field(
            "`api_key`: keys that are made with `pluggably keys create`; `oidc`: tokens of the `[[issuers]]`; `jwt`: "
            "tokens that are signed with a secret of your own."
        ),
    ] = ()
    secret_env: Annotated[
        str | None,
        Field(
            "For `jwt`: name of the environment variable that holds the secret (32 characters at least; HS256).",
            examples=("JWT_SECRET",),
        ),
    ] = None
    secret_issuer: Annotated[str, Field("For `jwt`: what the claim `iss` of such tokens must be.")] = "local"  # noqa: S105 - no secret: what issues them is called so
    audience: Annotated[str, Field("For `jwt`: what the claim `aud` must have.")] = "pluggably"


@frozen(kw_only=True)
class IssuerSettings:
    """Somebody who vouches for tokens: an OpenID Connect provider, or an OAuth 2.0 authorization server."""

    name: Annotated[str, Field("What it is called here; those whom it vouches for are `name:sub`.", max_length=64)]
    issuer: Annotated[str, Field("Its URL, as tokens have it in `iss`; https, but for one on this machine.")]
    audience: Annotated[str, Field("What tokens must have in `aud`.")]
    algorithms: Annotated[
        tuple[
            Literal[
                "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
            ],
            ...,
        ],
        Field("How tokens may be signed: never by what they say themselves."),
    ] = ("RS256", "ES256")
    scope_claim: Annotated[str, Field("The claim that has the scopes; dots lead into nested ones.")] = "scope"
    scope_prefix: Annotated[str, Field("What its scopes begin with that are ours, such as `pluggably:`.")] = ""
    leeway_s: Annotated[int, Field("How far its clock may be off.", 0, 300, unit="seconds")] = 30
    jwks_url: Annotated[str | None, Field("Where its keys are; absent: it is asked (OpenID Connect Discovery).")] = None
    introspection_url: Annotated[
        str | None,
        Field(
            "Where it is asked about tokens that are no JWT (RFC 7662), of one issuer at most; absent: none are taken."
        ),
    ] = None
    client_id: Annotated[str | None, Field("For that: who we are there.")] = None
    client_secret_env: Annotated[
        str | None, Field("For that: name of the environment variable that holds our secret there.")
    ] = None
