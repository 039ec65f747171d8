"""An artifact: a file that was generated or uploaded, kept under its content, and given out by URLs.

How long an artifact is kept and how long a URL to it is good are two things: a URL that has expired is signed anew, an
artifact whose time is over is gone.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from attrs import field, frozen

from .errors import UnsupportedMediaType
from .generation import ArtifactPart, Use

PICTURES: Mapping[str, str] = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
"""The pictures that may be given as inputs, and how files of them are called."""

_SUFFIXES: Mapping[str, str] = {
    **PICTURES,
    "model/gltf-binary": "glb",
    "model/obj": "obj",
    "model/ply": "ply",
    "text/plain": "txt",
}
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")

LONGEST_URL_LIFE = timedelta(days=7)
"""Beyond this no URL is good; S3 allows no more either."""

MOST_INLINE_BYTES = 8 * 2**20
"""A larger file is never put into an answer, whatever was asked: it would be whole in memory, several times."""


class Origin(StrEnum):
    """Where an artifact came from."""

    GENERATED = "generated"
    UPLOADED = "uploaded"


@frozen(kw_only=True)
class Content:
    """Bytes, by their hex sha256: whoever has the same has the same bytes."""

    sha256: str
    size_bytes: int


@frozen(kw_only=True)
class Artifact:
    """A file that is kept, whose it is, and what is known of it.

    `facts` are `width` and `height` of a picture in pixels; `vertices`, `faces` and `bounds` of a mesh. Without
    `kept_until` it is kept until somebody deletes it.
    """

    id: str
    owner: str
    media_type: str
    content: Content
    origin: Origin
    created_at: datetime
    session_id: str | None = None
    generation_id: str | None = None
    facts: Mapping[str, Any] = field(factory=dict)
    kept_until: datetime | None = None

    def is_kept(self, at: datetime) -> bool:
        """Whether its time is not over."""
        return self.kept_until is None or at < self.kept_until

    @property
    def file_name(self) -> str:
        """What a download of it is called, if nothing else is asked for."""
        return f"{self.id}.{_SUFFIXES.get(self.media_type, 'bin')}"

    def as_part(self, use: Use = "image") -> ArtifactPart:
        """As messages and outputs name it."""
        return ArtifactPart(
            artifact_id=self.id,
            media_type=self.media_type,
            size_bytes=self.content.size_bytes,
            sha256=self.content.sha256,
            use=use,
        )


Delivery = Literal["auto", "inline", "url"]
"""How an answer has a file: in it, by a URL, or as its size suggests."""


def goes_inline(delivery: Delivery, size_bytes: int, threshold_bytes: int) -> bool:
    """Whether a file of that size is put into the answer."""
    limits = {"auto": min(threshold_bytes, MOST_INLINE_BYTES), "inline": MOST_INLINE_BYTES, "url": -1}
    return size_bytes <= limits[delivery]


def plain_media_type(text: str) -> str:
    """The media type without parameters, in lower case; the most general one for what is none."""
    plain = text.partition(";")[0].strip().lower()
    return plain if _MEDIA_TYPE.fullmatch(plain) else "application/octet-stream"


def require_picture(media_type: str) -> str:
    """The plain media type of a picture that may be given as an input.

    Raises:
        UnsupportedMediaType: it is another one.
    """
    plain = plain_media_type(media_type)
    if plain not in PICTURES:
        raise UnsupportedMediaType(detail=f"An input must be {', '.join(PICTURES)}, not {plain}.")
    return plain
