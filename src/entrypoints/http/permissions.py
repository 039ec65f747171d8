"""What each route needs: by the route that was matched, whatever the path looked like; or it is not served."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from ...domain.access import Principal, Scope
from ...domain.errors import GatewayError, InsufficientScope, InvalidCredentials

Needed = tuple[Scope, ...]
"""One of these scopes; with none of them, good credentials are enough."""

_GENERATE: Needed = (Scope.GENERATE,)
_SESSIONS: Needed = (Scope.SESSIONS,)
_READ: Needed = (Scope.SESSIONS, Scope.AUDIT)
_MODELS: Needed = (Scope.MODELS_READ, Scope.MODELS_ADMIN, Scope.GENERATE)
_MODELS_ADMIN: Needed = (Scope.MODELS_ADMIN,)
_ARTIFACTS: Needed = (Scope.ARTIFACTS,)
_AUDIT: Needed = (Scope.AUDIT,)
_ADMIN: Needed = (Scope.ADMIN,)
_ANYBODY: Needed = ()

PUBLIC: Final = frozenset(
    {
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("GET", "/docs"),
        ("GET", "/docs/{asset}"),
        ("GET", "/v1/artifacts/{artifact_id}/content"),  # whose URL is the credential
    }
)

_PUBLIC_PATHS = re.compile("|".join(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) for _, path in sorted(PUBLIC)))

PERMISSIONS: Final[Mapping[str, Mapping[str, Needed]]] = {
    "/v1/generations/text": {"POST": _GENERATE},
    "/v1/generations/image": {"POST": _GENERATE},
    "/v1/generations/3d": {"POST": _GENERATE},
    "/v1/generations/{generation_id}": {"GET": _GENERATE},
    "/v1/generations/{generation_id}/events": {"GET": _GENERATE},
    "/v1/generations/{generation_id}/cancel": {"POST": _GENERATE},
    "/v1/chat/completions": {"POST": _GENERATE},
    "/v1/images/generations": {"POST": _GENERATE},
    "/v1/sessions": {"GET": _SESSIONS, "POST": _SESSIONS},
    "/v1/sessions/{session_id}": {"GET": _READ, "PATCH": _SESSIONS, "DELETE": _SESSIONS},
    "/v1/sessions/{session_id}/turns": {"GET": _READ},
    "/v1/sessions/{session_id}/state-tokens": {"GET": _READ},
    "/v1/sessions/{session_id}/reset": {"POST": _SESSIONS},
    "/v1/sessions/{session_id}/close": {"POST": _SESSIONS},
    "/v1/sessions/{session_id}/archive": {"POST": _SESSIONS},
    "/v1/sessions/{session_id}/hold": {"POST": _SESSIONS},
    "/v1/sessions/{session_id}/release": {"POST": _SESSIONS},
    "/v1/sessions/{session_id}/fork": {"POST": _SESSIONS},
    "/v1/sessions/{session_id}/events": {"GET": _READ},
    "/v1/sessions/{session_id}/verify": {"GET": _READ},
    "/v1/sessions/{session_id}/export": {"GET": _READ},
    "/v1/sessions/{session_id}/replay": {"GET": _READ},
    "/v1/audit/export": {"GET": _AUDIT},
    "/v1/audit/key": {"GET": _ANYBODY},
    "/v1/audit/reads": {"GET": _AUDIT},
    "/v1/audit/verify": {"GET": _AUDIT},
    "/v1/audit/checkpoints": {"GET": _AUDIT},
    "/v1/retention": {"POST": _ADMIN},
    "/v1/artifacts": {"POST": _ARTIFACTS},
    "/v1/artifacts/{artifact_id}": {"GET": _ARTIFACTS, "DELETE": _ARTIFACTS},
    "/v1/artifacts/{artifact_id}/sign": {"POST": _ARTIFACTS},
    "/v1/models": {"GET": _MODELS, "POST": _MODELS_ADMIN},
    "/v1/models/{path:path}": {"GET": _MODELS, "POST": _MODELS_ADMIN, "PATCH": _MODELS_ADMIN, "DELETE": _MODELS_ADMIN},
    "/v1/parameters": {"GET": _MODELS},
    "/v1/downloads": {"GET": _MODELS_ADMIN, "POST": _MODELS_ADMIN},
    "/v1/downloads/{download_id}": {"GET": _MODELS_ADMIN, "DELETE": _MODELS_ADMIN},
    "/v1/downloads/{download_id}/events": {"GET": _MODELS_ADMIN},
    "/v1/downloads/{download_id}/cancel": {"POST": _MODELS_ADMIN},
    "/v1/downloads/{download_id}/pause": {"POST": _MODELS_ADMIN},
    "/v1/downloads/{download_id}/resume": {"POST": _MODELS_ADMIN},
    "/v1/storage": {"GET": (Scope.MODELS_READ, Scope.MODELS_ADMIN)},
    "/v1/storage/cleanup": {"POST": _MODELS_ADMIN},
    "/v1/keys": {"GET": _ADMIN, "POST": _ADMIN},
    "/v1/keys/{key_id}": {"GET": _ADMIN, "DELETE": _ADMIN},
    "/v1/keys/{key_id}/rotate": {"POST": _ADMIN},
    "/v1/me": {"GET": _ANYBODY},
    "/v1/usage": {"GET": _ANYBODY},  # one's own; with the scope `admin` everybody's
}


def expect_permissions(routes: Mapping[str, Iterable[str]]) -> None:
    """Insist that it is said of every method of every route what it needs, and of nothing else, before any is served.

    Args:
        routes: the methods of each route, by its template.

    Raises:
        RuntimeError: it is not.
    """
    served = {(method, template) for template, methods in routes.items() for method in methods}
    said = PUBLIC | {(method, template) for template, methods in PERMISSIONS.items() for method in methods}
    if unsaid := sorted(served - said):
        raise RuntimeError(f"permissions.py does not say what {', '.join(map(' '.join, unsaid))} needs")
    if gone := sorted(said - served):
        raise RuntimeError(f"permissions.py says what there is not: {', '.join(map(' '.join, gone))}")


def may_be_public(method: str, path: str) -> bool:
    """Whether a path may be one of the public routes. Only for refusing early: a route is let through once matched."""
    return method in ("GET", "HEAD") and _PUBLIC_PATHS.fullmatch(path.removesuffix("/")) is not None


def require_permission(method: str, template: str, principal: Principal | None, refusal: GatewayError | None) -> None:
    """Let somebody through to a route, or nobody; `refusal` is why there is no principal.

    Raises:
        GatewayError: `refusal`.
        InsufficientScope: the credentials are good, but not for this.
    """
    if (method, template) in PUBLIC:
        return
    if principal is None:
        raise refusal or InvalidCredentials()
    needed = PERMISSIONS.get(template, {}).get(method, _ANYBODY)  # methods that a route lacks are refused by the router
    if needed and principal.scopes.isdisjoint(needed):
        allowed = " or ".join(repr(scope.value) for scope in needed)
        raise InsufficientScope(detail=f"This needs the scope {allowed}, which your credentials do not have.")
