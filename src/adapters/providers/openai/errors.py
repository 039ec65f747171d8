"""What went wrong at an OpenAI-compatible server, as one of our errors: pure.

https://platform.openai.com/docs/guides/error-codes, and the deviations of vLLM, llama.cpp and OpenRouter. The code in
the body decides first, then the status. Of an upstream's words only its short codes are passed on.
"""

from collections.abc import Mapping
from typing import Final

import httpx
import msgspec

from ....domain import errors
from ....domain.errors import GatewayError, Violation
from ....domain.parameters import IMAGE_PARAMETERS, TEXT_PARAMETERS
from ..transport.exchange import ErrorTable
from ..transport.failures import identifiers, retry_after_s, told
from ..transport.statuses import by_status

BY_CODE: Final[Mapping[str, type[GatewayError]]] = {
    "context_length_exceeded": errors.ContextLengthExceeded,
    "exceed_context_size_error": errors.ContextLengthExceeded,  # llama.cpp
    "content_filter": errors.ContentPolicyViolation,  # Azure
    "content_policy_violation": errors.ContentPolicyViolation,
    "moderation_blocked": errors.ContentPolicyViolation,  # of pictures
    "insufficient_quota": errors.ProviderQuotaExhausted,
    "billing_hard_limit_reached": errors.ProviderQuotaExhausted,
    "credit_balance_exhausted": errors.ProviderQuotaExhausted,
    "invalid_api_key": errors.ProviderAuthFailed,
    "authentication_error": errors.ProviderAuthFailed,
    "model_not_found": errors.ModelNotFound,
    "model_not_supported": errors.ModelNotFound,  # Hugging Face
    "rate_limit_exceeded": errors.ProviderRateLimited,
    "rate_limit_error": errors.ProviderRateLimited,
    "overloaded_error": errors.ProviderOverloaded,
    "server_error": errors.ProviderError,
}

POINTERS: Final[Mapping[str, str]] = {
    **{name: f"/parameters/{name}" for name in TEXT_PARAMETERS | IMAGE_PARAMETERS},
    "size": "/parameters/width",
    "output_format": "/parameters/format",
    "partial_images": "/parameters/preview_every",
    "prompt": "/input",
    "image": "/input",
}
"""Where in our requests is what goes out under these names."""


class ErrorObject(msgspec.Struct):
    """The `error` of a body or a chunk; some servers leave the word `error` out and send its fields alone."""

    type: str | None = None
    code: str | int | None = None
    param: str | None = None

    @property
    def codes(self) -> tuple[str, ...]:
        """What it calls itself, the more exact first."""
        if (self.param or "").startswith("input_tokens"):  # vLLM has no code for it
            return ("context_length_exceeded",)
        return tuple(str(code) for code in (self.code, self.type) if code is not None)


class _ErrorBody(ErrorObject):
    error: ErrorObject | str | None = None


def to_error(status: int, headers: Mapping[str, str], body: bytes, *, provider: str) -> GatewayError:
    """The error for an answer that is not 2xx. The names in `headers` are lower case."""
    error = error_object(body)
    if error is None and status == httpx.codes.NOT_FOUND:
        return errors.ProviderBadResponse(
            detail=f"Provider {provider!r} has nothing at its base URL, or no such model: does the URL end in /v1?"
        )
    failure = from_object(error or ErrorObject(), provider=provider, status=status)
    failure.retry_after_s = retry_after_s(headers)
    return failure


def error_object(body: bytes) -> ErrorObject | None:
    """The error that a body describes, or None if it does not."""
    try:
        found = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if isinstance(found.error, ErrorObject):
        return found.error
    return found if found.error or found.code or found.type else None


def from_object(
    error: ErrorObject,
    *,
    provider: str,
    status: int = 200,
    otherwise: type[GatewayError] = errors.ProviderBadResponse,
) -> GatewayError:
    """The error for an error object; one that comes with a 200 may have its status as its code (OpenRouter)."""
    if not httpx.codes.is_error(status) and str(error.code).isdigit():
        status = int(str(error.code))
    kind = next((BY_CODE[code] for code in error.codes if code in BY_CODE), by_status(status, otherwise))
    detail = told(kind, provider=provider, status=status, code=next(iter(error.codes), None))
    if kind is errors.InvalidRequest:
        return errors.InvalidRequest(detail=detail, violations=_violations(error, provider))
    return kind(detail=detail)


def _violations(error: ErrorObject, provider: str) -> tuple[Violation, ...]:
    if pointer := POINTERS.get(error.param or ""):
        return (Violation(pointer=pointer, message=f"provider {provider!r} refuses it"),)
    return tuple(
        Violation(pointer="", message=f"provider {provider!r} refuses {p}") for p in identifiers((error.param,))
    )


def _of_body(body: bytes, provider: str) -> GatewayError | None:
    error = error_object(body)
    return from_object(error, provider=provider) if error else None


ERRORS: Final = ErrorTable(of_status=to_error, of_body=_of_body)
