"""Lists in pages, and the opaque cursors between them."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import blake2s
from typing import Any, TypeVar

import msgspec

from ...application.ports import SessionCursor
from ...domain.errors import InvalidRequest

T = TypeVar("T")

_CHECK_BYTES = 6
_decode_place = msgspec.json.Decoder(tuple[datetime, str]).decode


def list_object(data: Sequence[Any], *, next_after: str | None = None) -> dict[str, Any]:
    """One page; there are more if the next one has a cursor."""
    return {"object": "list", "data": data, "has_more": next_after is not None, "next_after": next_after}


def page_object(
    found: Sequence[T], limit: int, shown: Callable[[T], dict[str, Any]], cursor: Callable[[T], object]
) -> dict[str, Any]:
    """The page of what was found, which is one more than `limit` if there are more; `cursor` is an item's place."""
    page = found[:limit]
    return list_object([shown(it) for it in page], next_after=str(cursor(page[-1])) if len(found) > limit else None)


def cursor_text(cursor: SessionCursor) -> str:
    """The cursor as clients pass it on. Its check sum is no secret: it finds cursors that were made up or cut off."""
    place = msgspec.json.encode((cursor.last_activity_at.astimezone(UTC), cursor.id))
    return urlsafe_b64encode(_check(place) + place).decode().rstrip("=")


def read_cursor(text: str) -> SessionCursor:
    """The cursor in a client's query.

    Raises:
        InvalidRequest: it is none that we gave out.
    """
    try:
        raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        at, session_id = _decode_place(raw[_CHECK_BYTES:])
        cursor = SessionCursor(last_activity_at=at, id=session_id)
        if cursor_text(cursor) == text:
            return cursor
    except (ValueError, msgspec.MsgspecError):
        pass
    raise InvalidRequest.at("/query/after", "must be the next_after of the page before, unchanged")


def _check(place: bytes) -> bytes:
    return blake2s(place, digest_size=_CHECK_BYTES).digest()
