"""Keys, and what is open to everybody, as it is documented."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from attrs import frozen

from ....domain import errors
from ....domain.access import Limits, Scope
from ....domain.parameters import Field
from ..body import Nothing
from ..resources.keys import KeyWanted, Rotation
from . import headers
from .answers import NOT_MODIFIED
from .failures import STORED
from .operation import Answer, Area, Body, Operation

_ONE = "/v1/keys/{key_id}"


@frozen(kw_only=True)
class SecretHint:
    """A secret of a key, by its end."""

    hint: Annotated[str, Field("Its last characters.", examples=("…7f3a",))]
    until: Annotated[datetime | None, Field("When it is not good any more.")]


@frozen(kw_only=True)
class KeyFacts:
    """What is known of a key."""

    id: Annotated[str, Field("Its id.", examples=("key_0199b1",))]
    object: Literal["key"]
    name: str
    owner: str
    scopes: tuple[Scope, ...]
    models: tuple[str, ...] | None
    limits: Limits
    secrets: tuple[SecretHint, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@frozen(kw_only=True)
class KeyShown(KeyFacts):
    """A key without its secrets."""


@frozen(kw_only=True)
class KeyMade(KeyFacts):
    """A key with its new secret, which is shown this once."""

    secret: str


@frozen(kw_only=True)
class PrincipalShown:
    """Who asks, and what they may."""

    id: str
    object: Literal["principal"]
    method: Annotated[str, Field("How they showed who they are.")]
    scopes: tuple[Scope, ...]
    models: Annotated[tuple[str, ...] | None, Field("The models that they may ask; null: all.")]
    limits: Limits


@frozen(kw_only=True)
class HealthShown:
    """Whether it is well."""

    status: Literal["ok", "starting", "ready", "draining"]


ACCESS: Final = Area(
    "Access",
    "API keys, and what one's credentials are good for.",
    (
        Operation(
            method="POST",
            path="/v1/keys",
            id="createKey",
            summary="Make a key",
            body=Body(
                json=KeyWanted,
                examples={
                    "for an application": {
                        "name": "app",
                        "scopes": ["generate", "sessions"],
                        "models": ["smollm2-*"],
                        "limits": {"requests_per_minute": 60},
                        "expires_at": "2027-01-31T12:00:00Z",
                    }
                },
            ),
            answers={
                201: Answer(
                    description="The key; its secret is in this answer alone.",
                    json=KeyMade,
                    headers=(headers.LOCATION,),
                )
            },
            errors=STORED,
        ),
        Operation(
            method="GET",
            path="/v1/keys",
            id="listKeys",
            summary="List keys",
            query=Nothing,
            answers={200: Answer(description="All keys.", page=KeyShown)},
            errors=STORED,
        ),
        Operation(
            method="GET",
            path=_ONE,
            id="getKey",
            summary="One key",
            query=Nothing,
            answers={200: Answer(description="The key.", json=KeyShown)},
            errors=(errors.NotFound, *STORED),
        ),
        Operation(
            method="DELETE",
            path=_ONE,
            id="revokeKey",
            summary="Revoke a key",
            description="It stays in the list.",
            answers={200: Answer(description="The key.", json=KeyShown)},
            errors=(errors.NotFound, *STORED),
        ),
        Operation(
            method="POST",
            path=f"{_ONE}/rotate",
            id="rotateKey",
            summary="Give a key a new secret",
            body=Body(json=Rotation, required=False, examples={"a day": {"overlap_s": 86400}}),
            answers={200: Answer(description="The key; its secret is in this answer alone.", json=KeyMade)},
            errors=(errors.NotFound, *STORED),
        ),
        Operation(
            method="GET",
            path="/v1/me",
            id="getMe",
            summary="What one's credentials are good for",
            query=Nothing,
            answers={200: Answer(description="Who asks.", json=PrincipalShown)},
        ),
    ),
)

SERVICE: Final = Area(
    "Service",
    "Whether the service is well, and what it can do.",
    (
        Operation(
            method="GET",
            path="/health/live",
            id="getLiveness",
            summary="Whether the process lives",
            answers={200: Answer(description="It does.", json=HealthShown)},
        ),
        Operation(
            method="GET",
            path="/health/ready",
            id="getReadiness",
            summary="Whether requests are welcome",
            answers={
                200: Answer(description="They are.", json=HealthShown),
                503: Answer(description="They are not: it starts or stops.", json=HealthShown),
            },
        ),
        Operation(
            method="GET",
            path="/metrics",
            id="getMetrics",
            summary="Metrics for Prometheus",
            answers={200: Answer(description="All of them.", raw={"text/plain": {"type": "string"}})},
        ),
        Operation(
            method="GET",
            path="/openapi.json",
            id="getOpenApi",
            summary="This document",
            headers=(headers.IF_NONE_MATCH,),
            answers={
                200: Answer(
                    description="The document.",
                    json=Mapping[str, Any],
                    headers=(headers.ETAG,),
                ),
                304: NOT_MODIFIED,
            },
        ),
        Operation(
            method="GET",
            path="/docs",
            id="getDocs",
            summary="This document, to read and to try",
            headers=(headers.IF_NONE_MATCH,),
            answers={
                200: Answer(description="A page.", raw={"text/html": {"type": "string"}}, headers=(headers.ETAG,)),
                304: NOT_MODIFIED,
            },
        ),
        Operation(
            method="GET",
            path="/docs/{asset}",
            id="getDocsAsset",
            summary="What the page loads",
            headers=(headers.IF_NONE_MATCH,),
            answers={
                200: Answer(
                    description="The file.",
                    raw={"text/javascript": {"type": "string"}, "text/css": {"type": "string"}},
                    headers=(headers.ETAG,),
                ),
                304: NOT_MODIFIED,
            },
            errors=(errors.NotFound,),
        ),
    ),
)
