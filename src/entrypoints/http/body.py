"""What comes in: JSON bodies, queries and headers, each checked before anything else looks at it."""

import re
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar

import msgspec
from attrs import frozen

from ...domain.access import Principal
from ...domain.errors import InvalidCredentials, InvalidRequest, UnsupportedMediaType
from ...domain.idempotency import IdempotencyKey
from ..structuring import structure
from .exchange import Request

T = TypeVar("T")

_decode = msgspec.json.Decoder().decode
_BYTE = re.compile(r"^(?:JSON is malformed: )?(?P<what>.*) \(byte (?P<at>\d+)\)$")
_KEY = re.compile(r"[!-~]{1,255}")
_JSON = "application/json"


@frozen
class Nothing:
    """A body or a query without fields."""


def principal_of(req: Request) -> Principal:
    """Who asks, and was let through to the route."""
    if req.exchange.principal is None:
        raise InvalidCredentials
    return req.exchange.principal


def read_json(req: Request) -> Any:
    """The body, decoded.

    Raises:
        UnsupportedMediaType: it does not say that it is JSON.
        InvalidRequest: it is not JSON, or nested too deeply.
    """
    media_type = (req.content_type or "").partition(";")[0].strip().lower()
    if media_type != _JSON and not (media_type.startswith("application/") and media_type.endswith("+json")):
        said = f"not {media_type}" if media_type else "and Content-Type must say so"
        raise UnsupportedMediaType(detail=f"The body must be {_JSON}, {said}.")
    return _checked(req.exchange.body, req.exchange.options.json_depth)


def read_body(req: Request, cls: type[T]) -> T:
    """The body as a class. None at all is the same as an empty object.

    Raises:
        UnsupportedMediaType, InvalidRequest: as `read_json`, or something in it is wrong.
    """
    return structure(read_json(req) if req.exchange.body else {}, cls)


def read_fields(req: Request) -> frozenset[str]:
    """The names in a body that `read_body` has accepted, those whose value is null too."""
    return frozenset(_decode(req.exchange.body)) if req.exchange.body else frozenset()


def read_query(
    req: Request,
    cls: type[T],
    *,
    numbers: tuple[str, ...] = (),
    lists: tuple[str, ...] = (),
    maps: tuple[str, ...] = (),
) -> T:
    """The query as a class.

    `numbers` are the fields that hold one, `lists` those that may be given several times, `maps` those whose entries
    come as `field.name`.

    Raises:
        InvalidRequest: something in it is wrong.
    """
    query: dict[str, Any] = dict(req.params)
    for name in lists:
        if isinstance(query.get(name), str):
            query[name] = [query[name]]
    for name in numbers:
        if re.fullmatch(r"-?[0-9]{1,64}", value := str(query.get(name, ""))):
            query[name] = int(value)
    for name in [it for it in query if it.partition(".")[0] in maps and "." in it]:
        field, _, key = name.partition(".")
        query.setdefault(field, {})[key] = query.pop(name)
    return structure(query, cls, at="/query")


def read_time(pointer: str, text: str | None) -> datetime | None:
    """The time in a field, such as `/query/active_after`.

    Raises:
        InvalidRequest: it is none, or has no time zone.
    """
    if text is None:
        return None
    try:
        at = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidRequest.at(pointer, "must be a time such as 2026-01-31T12:00:00Z")
    return at


def idempotency_key(req: Request) -> IdempotencyKey | None:
    """The client's name for this request, and what makes it this request: its path and its body, byte for byte.

    Raises:
        InvalidRequest: the header is not of the form that it must have.
    """
    key = req.get_header("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise InvalidRequest.at("/headers/Idempotency-Key", "must be 1 to 255 visible ASCII characters")
    return IdempotencyKey(key=key, fingerprint=sha256(req.path.encode() + b"\n" + req.exchange.body).hexdigest())


def refuse_idempotency_key(req: Request, instead: str = ": use If-Match to do this once") -> None:
    """Say that a key would not be honoured, rather than to ignore it.

    Raises:
        InvalidRequest: there is one.
    """
    if req.get_header("Idempotency-Key") is not None:
        raise InvalidRequest.at(
            "/headers/Idempotency-Key",
            f"is for turns, for generations in the background and for opening sessions{instead}",
        )


def _checked(body: bytes, depth: int) -> Any:
    try:
        value = _decode(body)
    except RecursionError:
        raise _too_deep(depth) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest.at("", f"is not JSON: {_where(error, body)}") from error
    # Every level takes a bracket, so few brackets cannot be deep; counting them costs next to nothing.
    if body.count(b"[") + body.count(b"{") > depth and _deeper(value, depth):
        raise _too_deep(depth)
    return value


def _too_deep(depth: int) -> InvalidRequest:
    return InvalidRequest.at("", f"is nested more than {depth} levels deep")


def _where(error: Exception, body: bytes) -> str:
    if isinstance(error, UnicodeDecodeError):  # which counts from the beginning of the string it was in
        return f"invalid UTF-8 at byte {_first_invalid(body)}"
    if known := _BYTE.match(str(error)):
        return f"{known['what']} at byte {known['at']}"
    return f"{str(error)[:1].lower()}{str(error)[1:]} at byte {len(body)}"


def _first_invalid(body: bytes) -> int:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(body)


def _deeper(value: Any, depth: int) -> bool:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(depth):
        level = [
            child
            for it in level
            for child in (it.values() if type(it) is dict else it)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return False
    return True
