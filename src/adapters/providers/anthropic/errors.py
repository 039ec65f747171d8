"""What went wrong at a server of Anthropic's API, as one of our errors: pure.

https://platform.claude.com/docs/en/api/errors, and llama.cpp's deviations. The exact `error_code` decides first, then
the `type` of the error, then the status. Some causes are told by Anthropic in words only, in an error that is else a
malformed request; of those words nothing is passed on.
"""

from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec

from ....domain import errors
from ....domain.errors import GatewayError, Violation
from ..transport.exchange import ErrorTable
from ..transport.failures import identifiers, retry_after_s, told
from ..transport.statuses import by_status

BY_CODE: Final[Mapping[str, type[GatewayError]]] = {
    "contract_spend_limit_reached": errors.ProviderQuotaExhausted,
    "enforced_spend_limit_reached": errors.ProviderQuotaExhausted,
    "linked_organization_billing_unavailable": errors.ProviderQuotaExhausted,
    "linked_organization_spend_limit_reached": errors.ProviderQuotaExhausted,
    "organization_on_hold": errors.ProviderAuthFailed,
    "ramp_limit_exceeded": errors.ProviderRateLimited,
    "request_body_timeout": errors.ProviderTimeout,
}
BY_TYPE: Final[Mapping[str, type[GatewayError]]] = {
    "api_error": errors.ProviderError,
    "authentication_error": errors.ProviderAuthFailed,
    "billing_error": errors.ProviderQuotaExhausted,
    "conflict_error": errors.ProviderUnavailable,
    "exceed_context_size_error": errors.ContextLengthExceeded,  # llama.cpp
    "invalid_request_error": errors.InvalidRequest,
    "not_found_error": errors.ModelNotFound,
    "overloaded_error": errors.ProviderOverloaded,
    "permission_error": errors.ProviderAuthFailed,
    "rate_limit_error": errors.ProviderRateLimited,
    "request_too_large": errors.RequestTooLarge,
    "timeout_error": errors.ProviderTimeout,
}
BY_WORDS: Final[Mapping[str, type[GatewayError]]] = {
    "input is too long": errors.ContextLengthExceeded,
    "prompt is too long": errors.ContextLengthExceeded,
    "input length and `max_tokens` exceed context limit": errors.ContextLengthExceeded,
    "your credit balance is too low": errors.ProviderQuotaExhausted,
    "you have reached your specified api usage limits": errors.ProviderQuotaExhausted,
}
"""How the message of an `invalid_request_error` begins."""

POINTERS: Final[Mapping[str, str]] = {
    "max_tokens": "/parameters/max_tokens",
    "messages": "/input",
    "output_config": "/parameters/response_format",
    "stop_sequences": "/parameters/stop",
    "system": "/input",
    "temperature": "/parameters/temperature",
    "tool_choice": "/parameters/tool_choice",
    "tools": "/parameters/tools",
    "top_k": "/parameters/top_k",
    "top_p": "/parameters/top_p",
}
"""Where in our requests is what the message of an `invalid_request_error` names at its beginning."""


class ErrorObject(msgspec.Struct):
    """The `error` of a body or an event."""

    type: str | None = None
    message: str | None = None
    details: msgspec.Raw = msgspec.Raw()

    @property
    def code(self) -> str | None:
        """The exact cause, where it is named."""
        try:
            details: Any = msgspec.json.decode(self.details)
        except msgspec.DecodeError:
            return None
        code = details.get("error_code") if isinstance(details, dict) else None
        return code if isinstance(code, str) else None


class _ErrorBody(msgspec.Struct):
    error: ErrorObject


_decode = msgspec.json.Decoder(_ErrorBody).decode


def to_error(status: int, headers: Mapping[str, str], body: bytes, *, provider: str) -> GatewayError:
    """The error for an answer that is not 2xx. The names in `headers` are lower case."""
    error = error_object(body)
    if error is None and status == httpx.codes.NOT_FOUND:
        return errors.ProviderBadResponse(
            detail=f"Provider {provider!r} has nothing at its base URL: does the URL end in /v1?"
        )
    failure = from_object(error or ErrorObject(), provider=provider, status=status)
    failure.retry_after_s = retry_after_s(headers)
    return failure


def error_object(body: bytes) -> ErrorObject | None:
    """The error that a body describes, or None if it does not."""
    try:
        return _decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def from_object(
    error: ErrorObject,
    *,
    provider: str,
    status: int = 200,
    otherwise: type[GatewayError] = errors.ProviderBadResponse,
) -> GatewayError:
    """The error for an error object."""
    kind = BY_CODE.get(error.code or "") or BY_TYPE.get(error.type or "", by_status(status, otherwise))
    if kind is errors.InvalidRequest:
        kind = _by_words(error.message or "")
    code = next(iter(identifiers((error.code, error.type))), None)
    detail = told(kind, provider=provider, status=status, code=code)
    if kind is errors.InvalidRequest:
        return errors.InvalidRequest(detail=detail, violations=_violations(error.message or "", provider))
    return kind(detail=detail)


def _by_words(message: str) -> type[GatewayError]:
    said = message.lower()
    return next((kind for words, kind in BY_WORDS.items() if said.startswith(words)), errors.InvalidRequest)


def _violations(message: str, provider: str) -> tuple[Violation, ...]:
    """It names the field first, such as `tools.0.input_schema: …`."""
    pointer = POINTERS.get(message.partition(":")[0].partition(".")[0])
    return (Violation(pointer=pointer, message=f"provider {provider!r} refuses it"),) if pointer else ()


def _of_body(body: bytes, provider: str) -> GatewayError | None:
    error = error_object(body)
    return from_object(error, provider=provider) if error else None


ERRORS: Final = ErrorTable(of_status=to_error, of_body=_of_body)
