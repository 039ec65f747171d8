"""What pages in browsers may do, which their users do not choose: whom they reach, and what they learn.

Cross-origin requests are the WHATWG's Fetch standard. A page of another site reads an answer only if that site is
among `cors_origins`, and nothing here relies on cookies. A service that asks for no credentials knows its operator by
being on the same machine, and a browser there is too: so such a service answers neither requests that another site's
pages send, nor those that come by a name which somebody else gave this machine (DNS rebinding).
"""

from collections.abc import MutableMapping
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

from attrs import define

from ...domain.errors import InsufficientScope
from ..settings.address import is_loopback
from .services import HttpOptions

HARDENING: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
"""In every answer."""

_NOT_SHOWN: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NOT_KEPT: Final = (b"cache-control", b"no-store")
_EXPOSED: Final = b"ETag, Location, Retry-After, Traceparent, WWW-Authenticate, X-Request-Id"
_PREFLIGHT: Final = (
    (b"access-control-allow-methods", b"GET, POST, PATCH, DELETE"),
    (b"access-control-max-age", b"600"),
    (b"content-length", b"0"),
)

Scope = MutableMapping[str, Any]
Headers = list[tuple[bytes, bytes]]


@define(eq=False, kw_only=True)
class OriginForbidden(InsufficientScope):
    """The request comes from a page of another site, or by a name that is not this machine's."""

    code: ClassVar[str] = "origin_forbidden"


def expect_local(scope: Scope, options: HttpOptions) -> None:
    """Insist, where being on this machine is all that is asked for, that no page of another site is behind a request.

    Raises:
        OriginForbidden: one is, or may be.
    """
    if not options.local_only:
        return
    if not all(_is_here(f"//{host}") for host in _values(scope, b"host")):
        raise OriginForbidden(
            detail="Without credentials the service is asked as localhost or 127.0.0.1 only. Behind a proxy, or for "
            "other machines, set access.methods."
        )
    if not all(origin in options.cors_origins or _is_here(origin) for origin in _values(scope, b"origin")):
        raise OriginForbidden(
            detail="Pages of other sites may not use a service that asks for no credentials; see server.cors_origins."
        )


def is_preflight(scope: Scope, options: HttpOptions) -> bool:
    """Whether a browser asks if a page that may call may send some request."""
    return (
        scope["method"] == "OPTIONS"
        and _caller(scope, options) is not None
        and bool(_values(scope, b"access-control-request-method"))
    )


def preflight_headers(scope: Scope) -> Headers:
    """Yes to it, with whatever headers it asks for: they are the page's own."""
    asked = ", ".join(_values(scope, b"access-control-request-headers")).encode("latin-1")
    return [*_PREFLIGHT, *([(b"access-control-allow-headers", asked)] if asked else [])]


def answer_headers(scope: Scope, options: HttpOptions, given: Headers) -> Headers:
    """What an answer says to browsers besides what it was `given`: without a say of its own it is not shown or kept."""
    names = {name for name, _ in given}
    added = [it for it in (*HARDENING, _NOT_SHOWN, _NOT_KEPT) if it[0] not in names]
    if options.cors_origins:
        added.append((b"vary", b"Origin"))
    if origin := _caller(scope, options):
        added += [(b"access-control-allow-origin", origin.encode()), (b"access-control-expose-headers", _EXPOSED)]
    return added


def _caller(scope: Scope, options: HttpOptions) -> str | None:
    """The site whose page sends the request, if its pages may."""
    if not options.cors_origins:
        return None
    return next((it for it in _values(scope, b"origin") if it in options.cors_origins), None)


def _values(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


def _is_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
