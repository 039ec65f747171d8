"""Errors as their clients see them: RFC 9457 problem objects, and OpenAI's error object on OpenAI's routes.

The one table from the domain's error codes to HTTP statuses is here.
"""

import math
from difflib import get_close_matches
from typing import Any, ClassVar

import falcon
import msgspec
import structlog
from attrs import asdict, define, frozen
from falcon.asgi import Request, Response

from ...domain.errors import (
    GatewayError,
    InvalidCredentials,
    InvalidRequest,
    ModelModalityMismatch,
    ModelNotFound,
    NotFound,
    Rejected,
)
from ...domain.job import JobFailure

STATUSES = {
    "invalid_request": 400,
    "model_not_found": 400,
    "model_modality_mismatch": 400,
    "context_length_exceeded": 400,
    "content_policy_violation": 400,
    "invalid_credentials": 401,
    "insufficient_scope": 403,
    "origin_forbidden": 403,
    "model_not_allowed": 403,
    "picture_invalid": 400,
    "unsafe_file": 400,
    "source_forbidden": 403,
    "url_not_allowed": 400,
    "signature_invalid": 403,
    "signature_expired": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "session_closed": 409,
    "session_busy": 409,
    "session_full": 409,
    "session_on_hold": 409,
    "state_token_mismatch": 409,
    "state_token_refused": 409,
    "name_taken": 409,
    "model_busy": 409,
    "idempotency_in_progress": 409,
    "download_state_conflict": 409,
    "version_conflict": 412,
    "session_erased": 410,
    "request_too_large": 413,
    "artifact_too_large": 413,
    "unsupported_media_type": 415,
    "range_not_satisfiable": 416,
    "idempotency_mismatch": 422,
    "state_token_invalid": 422,
    "state_token_expired": 422,
    "url_unavailable": 422,
    "rate_limited": 429,
    "provider_rate_limited": 429,
    "cancelled": 499,
    "internal_error": 500,
    "source_unreachable": 502,
    "source_changed": 502,
    "checksum_mismatch": 502,
    "provider_auth_failed": 502,
    "provider_error": 502,
    "provider_unreachable": 502,
    "provider_bad_response": 502,
    "stream_interrupted": 502,
    "runner_bad_output": 502,
    "runner_crashed": 502,
    "provider_quota_exhausted": 503,
    "provider_unavailable": 503,
    "provider_overloaded": 503,
    "runner_out_of_memory": 503,
    "model_loading": 503,
    "overloaded": 503,
    "interrupted": 503,
    "draining": 503,
    "store_unavailable": 503,
    "provider_timeout": 504,
    "insufficient_storage": 507,
}

CHALLENGE = 'Bearer realm="pluggably"'

OPENAI_ROUTES = ("/v1/chat/completions", "/v1/images/generations")
"""Where the clients are OpenAI's."""

_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error", 404: "not_found_error"}
_SERVER_ERROR = 500
_log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode


@define(eq=False, kw_only=True)
class MethodNotAllowed(Rejected):
    """The route does not have that method."""

    code: ClassVar[str] = "method_not_allowed"
    allow: str = ""


@define(eq=False, kw_only=True)
class RangeNotSatisfiable(Rejected):
    """The range begins behind the end of the content."""

    code: ClassVar[str] = "range_not_satisfiable"
    size_bytes: int = 0


@frozen(kw_only=True)
class Problem:
    """An error, ready to be sent."""

    status: int
    content_type: str
    headers: dict[str, str]
    body: bytes


def problem_of(error: GatewayError, path: str, request_id: str) -> Problem:
    """The error as the clients of that path expect it."""
    openai = path.startswith(OPENAI_ROUTES)
    return Problem(
        status=STATUSES.get(error.code, 500),
        content_type="application/json" if openai else "application/problem+json",
        headers=_headers(error),
        body=_encode(openai_error(error) if openai else problem_object(error, path, request_id)),
    )


def internal_error(path: str, request_id: str) -> Problem:
    """What clients learn of an error that nobody thought of: nothing but the id to ask the operator about."""
    return problem_of(unexpected(request_id), path, request_id)


def unexpected(request_id: str) -> GatewayError:
    """The error in place of one that is not for clients' eyes."""
    return GatewayError(detail=f"The gateway failed; its log has more under {request_id}.")


def problem_object(error: GatewayError, path: str, request_id: str) -> dict[str, Any]:
    """The problem object of RFC 9457."""
    problem = failure_object(JobFailure.of(error), path, request_id)
    if error.retry_after_s is not None:
        problem["retry_after_ms"] = round(error.retry_after_s * 1000)
    if isinstance(error, InvalidRequest):
        problem["errors"] = [
            {"pointer": it.pointer, "message": it.message} | ({"allowed": it.allowed} if it.allowed else {})
            for it in error.violations
        ]
    return problem


def failure_object(failure: JobFailure, path: str, request_id: str) -> dict[str, Any]:
    """The problem object of what is only remembered of an error."""
    return {
        "type": f"urn:pluggably:problem:{failure.code}",
        "title": failure.code.replace("_", " ").capitalize(),
        "status": STATUSES.get(failure.code, 500),
        "detail": failure.detail,
        "instance": path,
        "code": failure.code,
        "source": failure.source,
        "retryable": failure.retryable,
        "request_id": request_id,
        **({"attempts": [asdict(it) for it in failure.attempts]} if failure.attempts else {}),
    }


def openai_error(error: GatewayError) -> dict[str, Any]:
    """OpenAI's error object; `param` is the first thing that is wrong."""
    status = STATUSES.get(error.code, 500)
    kind = "server_error" if status >= _SERVER_ERROR else _OPENAI_TYPES.get(status, "invalid_request_error")
    param = "model" if isinstance(error, ModelNotFound | ModelModalityMismatch) else None
    if isinstance(error, InvalidRequest) and error.violations:
        param = error.violations[0].pointer.removeprefix("/parameters").strip("/").replace("/", ".") or None
    return {"error": {"message": str(error), "type": kind, "param": param, "code": error.code}}


def _headers(error: GatewayError) -> dict[str, str]:
    tried_again = len(error.attempts) > 1  # what clients would do is done
    headers = {} if error.retryable and not tried_again else {"x-should-retry": "false"}  # which OpenAI's clients obey
    if isinstance(error, InvalidCredentials):
        headers["www-authenticate"] = CHALLENGE
    if error.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after_s))
    if isinstance(error, MethodNotAllowed):
        headers["allow"] = error.allow
    if isinstance(error, RangeNotSatisfiable):
        headers["content-range"] = f"bytes */{error.size_bytes}"
    return headers


def install(app: falcon.asgi.App[Any, Any], routes: tuple[str, ...]) -> None:
    """Let Falcon answer every error, its own ones too, in these forms; `routes` are offered for a path that is none."""

    async def answer(req: Any, resp: Response, error: GatewayError, _: object) -> None:
        req.exchange.failure = error.code
        problem = problem_of(error, req.path, req.exchange.request_id)
        resp.status_code = problem.status
        resp.content_type = problem.content_type
        resp.set_headers(problem.headers)
        resp.data, resp.text, resp.stream = problem.body, None, None

    async def answer_unexpected(req: Any, resp: Response, error: Exception, params: object) -> None:
        request_id = req.exchange.request_id
        _log.error("request.failed", request_id=request_id, path=req.path, exc_info=error)
        await answer(req, resp, unexpected(request_id), params)

    async def answer_falcon(req: Any, resp: Response, error: falcon.HTTPError, params: object) -> None:
        await answer(req, resp, _of_falcon(error, req, routes), params)

    app.add_error_handler(Exception, answer_unexpected)
    app.add_error_handler(falcon.HTTPError, answer_falcon)
    app.add_error_handler(GatewayError, answer)


def _of_falcon(error: falcon.HTTPError, req: Request, routes: tuple[str, ...]) -> GatewayError:
    match error:
        case falcon.HTTPNotFound():
            close = get_close_matches(req.path, routes, n=1, cutoff=0.5)
            hint = f" Did you mean {close[0]}?" if close else " All that there are: /docs."
            return NotFound(detail=f"There is no route {req.path!r}.{hint}")
        case falcon.HTTPMethodNotAllowed():
            allow = dict(error.headers or ())["Allow"]
            return MethodNotAllowed(detail=f"{req.path} does not have {req.method}; it has {allow}.", allow=allow)
        case _:
            return InvalidRequest(detail=error.description or error.title)
