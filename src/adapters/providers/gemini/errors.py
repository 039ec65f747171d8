"""What went wrong at a server of the Gemini API, as one of our errors: pure.

https://ai.google.dev/gemini-api/docs/troubleshooting, in the form of Google's APIs (https://google.aip.dev/193). The
`reason` of an ErrorInfo decides first, then the `status` in the body, then that of HTTP. A request that is too long,
and a signature that is refused, are told in words only; of those nothing is passed on.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import httpx
import msgspec

from ....domain import errors
from ....domain.errors import GatewayError, Violation
from ..transport.exchange import ErrorTable
from ..transport.failures import bounded_s, identifiers, retry_after_s, told
from ..transport.statuses import by_status

BY_REASON: Final[Mapping[str, type[GatewayError]]] = {
    "api_key_invalid": errors.ProviderAuthFailed,
    "api_key_service_blocked": errors.ProviderAuthFailed,
    "billing_disabled": errors.ProviderQuotaExhausted,
    "service_disabled": errors.ProviderAuthFailed,
}
BY_NAME: Final[Mapping[str, type[GatewayError]]] = {
    "aborted": errors.ProviderUnavailable,
    "cancelled": errors.ProviderError,
    "data_loss": errors.ProviderError,
    "deadline_exceeded": errors.ProviderTimeout,
    "failed_precondition": errors.ProviderAuthFailed,  # no billing for this country
    "internal": errors.ProviderError,
    "invalid_argument": errors.InvalidRequest,
    "not_found": errors.ModelNotFound,
    "out_of_range": errors.InvalidRequest,
    "permission_denied": errors.ProviderAuthFailed,
    "resource_exhausted": errors.ProviderRateLimited,
    "unauthenticated": errors.ProviderAuthFailed,
    "unavailable": errors.ProviderUnavailable,
    "unimplemented": errors.InvalidRequest,
    "unknown": errors.ProviderError,
}
BY_WORDS: Final[Mapping[str, type[GatewayError]]] = {
    "input token count": errors.ContextLengthExceeded,
    "corrupted thought signature": errors.StateTokenRefused,
    "invalid thought signature": errors.StateTokenRefused,
}
"""What the message of an invalid argument has in it, where it has no other name."""

POINTERS: Final[Mapping[str, str]] = {
    "contents": "/input",
    "max_output_tokens": "/parameters/max_tokens",
    "response_json_schema": "/parameters/response_format",
    "response_mime_type": "/parameters/response_format",
    "seed": "/parameters/seed",
    "stop_sequences": "/parameters/stop",
    "system_instruction": "/input",
    "temperature": "/parameters/temperature",
    "tool_config": "/parameters/tool_choice",
    "tools": "/parameters/tools",
    "top_k": "/parameters/top_k",
    "top_p": "/parameters/top_p",
}
"""Where in our requests is what a field violation names."""


class _Violation(msgspec.Struct, rename="camel"):
    field: str = ""
    quota_id: str = ""


class _Detail(msgspec.Struct, rename="camel"):
    """Any of the details that an error may have: they differ in what they hold."""

    reason: str = ""
    retry_delay: str = ""
    violations: list[_Violation] = []
    field_violations: list[_Violation] = []


class ErrorObject(msgspec.Struct):
    """The `error` of a body or an event."""

    code: int = 0
    status: str = ""
    message: str = ""
    details: msgspec.Raw = msgspec.Raw()

    @property
    def known_details(self) -> list[_Detail]:
        """Its details, if they have the form that is documented."""
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.decode(self.details, type=list[_Detail])
        return []


class _ErrorBody(msgspec.Struct):
    error: ErrorObject


_decode = msgspec.json.Decoder(_ErrorBody | list[_ErrorBody]).decode


def to_error(status: int, headers: Mapping[str, str], body: bytes, *, provider: str) -> GatewayError:
    """The error for an answer that is not 2xx. The names in `headers` are lower case."""
    error = error_object(body)
    if error is None and status == httpx.codes.NOT_FOUND:
        return errors.ProviderBadResponse(
            detail=f"Provider {provider!r} has nothing at its base URL: does the URL end in /v1beta?"
        )
    failure = from_object(error or ErrorObject(), provider=provider, status=status)
    if (wait_s := retry_after_s(headers)) is not None:
        failure.retry_after_s = wait_s
    return failure


def error_object(body: bytes) -> ErrorObject | None:
    """The error that a body describes, which may be the only element of a list; or None if it describes none."""
    try:
        found: _ErrorBody | list[_ErrorBody] = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if isinstance(found, list):
        return found[0].error if found else None
    return found.error


def from_object(
    error: ErrorObject,
    *,
    provider: str,
    status: int = 200,
    otherwise: type[GatewayError] = errors.ProviderBadResponse,
) -> GatewayError:
    """The error for an error object; one that comes with a 200 has its status as its code."""
    if not httpx.codes.is_error(status):
        status = error.code or status
    details, name = error.known_details, error.status.lower()
    reasons = [detail.reason.lower() for detail in details if detail.reason]
    kind = next(
        (BY_REASON[reason] for reason in reasons if reason in BY_REASON),
        BY_NAME.get(name, by_status(status, otherwise)),
    )
    if kind is errors.InvalidRequest:
        said = error.message.lower()
        kind = next((other for words, other in BY_WORDS.items() if words in said), kind)
    if kind is errors.ProviderRateLimited and _is_of_a_day(details):
        kind = errors.ProviderQuotaExhausted
    code = next(iter(identifiers((*reasons, name))), None)
    failure = kind(detail=told(kind, provider=provider, status=status, code=code))
    failure.retry_after_s = _retry_delay_s(details)
    if isinstance(failure, errors.InvalidRequest):
        failure.violations = _violations(details, provider)
    return failure


def _is_of_a_day(details: list[_Detail]) -> bool:
    """Whether a quota is used up that is not there again before tomorrow."""
    return any("PerDay" in violation.quota_id for detail in details for violation in detail.violations)


def _retry_delay_s(details: list[_Detail]) -> float | None:
    delays = [match for detail in details if (match := re.fullmatch(r"(\d+(?:\.\d+)?)s", detail.retry_delay))]
    return bounded_s(float(delays[0][1])) if delays else None


def _violations(details: list[_Detail], provider: str) -> tuple[Violation, ...]:
    """A field is named by its path, such as `generation_config.temperature` or `contents[0].parts[1]`."""
    names = [re.split(r"[.\[]", violation.field) for detail in details for violation in detail.field_violations]
    pointers = dict.fromkeys(POINTERS[part] for name in names for part in name if part in POINTERS)
    return tuple(Violation(pointer=pointer, message=f"provider {provider!r} refuses it") for pointer in pointers)


def _of_body(body: bytes, provider: str) -> GatewayError | None:
    error = error_object(body)
    return from_object(error, provider=provider) if error else None


ERRORS: Final = ErrorTable(of_status=to_error, of_body=_of_body)
