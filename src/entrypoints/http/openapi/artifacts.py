"""Artifacts, as they are documented."""

from datetime import datetime
from typing import Annotated, Final, Literal

from attrs import frozen

from ....domain import errors
from ....domain.artifact import PICTURES, Origin
from ....domain.parameters import Field
from ..body import Nothing
from ..problems import RangeNotSatisfiable
from ..resources.artifacts import Signing
from . import headers
from .answers import NOT_MODIFIED
from .failures import STORED
from .generation_answers import FileFacts
from .operation import Answer, Area, Body, Operation

_FILES = (*PICTURES, "model/gltf-binary", "model/obj", "model/ply")
_ONE = "/v1/artifacts/{artifact_id}"


@frozen(kw_only=True)
class ArtifactShown(FileFacts):
    """A file that was generated or uploaded, and a URL to it."""

    id: Annotated[str, Field("Its id.", examples=("art_0199b1",))]
    object: Literal["artifact"]
    origin: Origin
    session_id: str | None
    generation_id: str | None
    created_at: datetime
    kept_until: Annotated[datetime | None, Field("When it goes.")]
    url: Annotated[str, Field("Where its content is, without credentials.", format="uri")]
    expires_at: Annotated[datetime | None, Field("When the URL is not good any more.")]


@frozen(kw_only=True)
class ArtifactUrl:
    """A URL to an artifact's content."""

    object: Literal["artifact.url"]
    url: Annotated[str, Field("Where the content is, without credentials.", format="uri")]
    expires_at: datetime | None


@frozen(kw_only=True)
class SignedFor:
    """What a signed URL has; it is given out whole, and changed in no byte."""

    expires: Annotated[str, Field("Until when it is good.")]
    signature: Annotated[str, Field("What vouches for the rest.")]
    filename: Annotated[str | None, Field("What the download is called.")] = None


_CONTENT_HEADERS = (headers.ETAG, headers.CONTENT_RANGE)

ARTIFACTS: Final = Area(
    "Artifacts",
    "Files that were generated or uploaded; their content goes to whoever has a signed URL.",
    (
        Operation(
            method="POST",
            path="/v1/artifacts",
            id="uploadArtifact",
            summary="Upload a picture to be an input",
            query=Nothing,
            body=Body(files=tuple(PICTURES)),
            answers={201: Answer(description="The artifact.", json=ArtifactShown)},
            errors=(errors.ArtifactTooLarge, errors.PictureInvalid, errors.InsufficientStorage, *STORED),
        ),
        Operation(
            method="GET",
            path=_ONE,
            id="getArtifact",
            summary="What is known of an artifact, and a URL to it",
            query=Nothing,
            answers={200: Answer(description="The artifact.", json=ArtifactShown)},
            errors=(errors.NotFound, *STORED),
        ),
        Operation(
            method="DELETE",
            path=_ONE,
            id="deleteArtifact",
            summary="Delete an artifact",
            answers={204: Answer(description="It is gone.")},
            errors=(errors.NotFound, *STORED),
        ),
        Operation(
            method="POST",
            path=f"{_ONE}/sign",
            id="signArtifact",
            summary="Get another URL to it",
            body=Body(json=Signing, required=False, examples={"an hour": {"ttl_s": 3600, "filename": "circle.png"}}),
            answers={200: Answer(description="The URL.", json=ArtifactUrl)},
            errors=(errors.NotFound, *STORED),
        ),
        Operation(
            method="GET",
            path=f"{_ONE}/content",
            id="getArtifactContent",
            summary="Its content, by a signed URL",
            query=SignedFor,
            headers=(headers.RANGE, headers.IF_RANGE, headers.IF_NONE_MATCH),
            answers={
                200: Answer(description="The content.", files=_FILES, headers=_CONTENT_HEADERS),
                206: Answer(description="A part of the content.", files=_FILES, headers=_CONTENT_HEADERS),
                304: NOT_MODIFIED,
            },
            errors=(
                errors.SignatureInvalid,
                errors.SignatureExpired,
                errors.NotFound,
                RangeNotSatisfiable,
                *STORED,
            ),
        ),
    ),
)
