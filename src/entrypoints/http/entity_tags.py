"""Entity tags: what a client has already, or insists on (RFC 9110, 8.8.3 and 13.1)."""

import re
from hashlib import blake2b

from ...domain.errors import InvalidRequest
from .exchange import Request

_SESSION_TAG = re.compile(r'(?:W/)?"(\d{1,18})"')
_MODEL_TAG = re.compile(r'(?:W/)?"(\d{1,18})\.[0-9a-f]+"')


def tag_of(body: bytes, revision: int | None = None) -> str:
    """The entity tag of an answer: another one as soon as a byte of it is; a model's begins with its revision."""
    digest = blake2b(body, digest_size=8).hexdigest()
    return f'"{digest}"' if revision is None else f'"{revision}.{digest}"'


def has_it(req: Request, tag: str) -> bool:
    """Whether the client has that already."""
    known = [it.strip().removeprefix("W/") for it in (req.get_header("If-None-Match") or "").split(",")]
    return "*" in known or tag in known


def expected_version(req: Request) -> int | None:
    """The session version that `If-Match` insists on.

    Raises:
        InvalidRequest: the header is not one of our entity tags.
    """
    return _insisted_on(req, _SESSION_TAG, 'must be a session\'s ETag, such as "3"')


def expected_revision(req: Request) -> int | None:
    """What `If-Match` insists on: that nobody has changed what is said of the model. Its status may be another one.

    Raises:
        InvalidRequest: the header is not one of our entity tags.
    """
    return _insisted_on(req, _MODEL_TAG, 'must be a model\'s ETag, such as "3.f00ba4"')


def _insisted_on(req: Request, form: re.Pattern[str], wanted: str) -> int | None:
    tag = req.get_header("If-Match")
    if tag is None or tag == "*":
        return None
    if (found := form.fullmatch(tag)) is None:
        raise InvalidRequest.at("/headers/If-Match", wanted)
    return int(found[1])
