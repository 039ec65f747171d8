"""What an answer that is no success means, as far as HTTP says it: shared by the adapters, which know their bodies."""

import re
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Final, Protocol

import httpx

from ....domain import errors
from ....domain.errors import GatewayError
from .reply import Reply

ERROR_LIMIT_BYTES: Final = 64 * 1024

BY_STATUS: Final[Mapping[int, type[GatewayError]]] = {
    400: errors.InvalidRequest,
    401: errors.ProviderAuthFailed,
    402: errors.ProviderQuotaExhausted,
    403: errors.ProviderAuthFailed,
    404: errors.ModelNotFound,
    408: errors.ProviderTimeout,
    409: errors.ProviderUnavailable,
    413: errors.RequestTooLarge,
    422: errors.InvalidRequest,
    429: errors.ProviderRateLimited,
    500: errors.ProviderError,
    502: errors.ProviderUnavailable,
    503: errors.ProviderUnavailable,
    504: errors.ProviderTimeout,
    529: errors.ProviderOverloaded,
}

DAY_S: Final = 86_400.0


class ToError(Protocol):
    """What a service's answer says went wrong."""

    def __call__(self, status: int, headers: Mapping[str, str], body: bytes, *, provider: str) -> GatewayError:
        """The error for an answer that is not 2xx. The names in `headers` are lower case."""


async def expect_success(reply: Reply, timeout_s: float, to_error: ToError) -> None:
    """Go on only if the status is a good one.

    Raises:
        GatewayError: what the status and the body say went wrong.
    """
    if not reply.is_success:
        body = await reply.excerpt(limit_bytes=ERROR_LIMIT_BYTES, timeout_s=timeout_s)
        raise to_error(reply.status, reply.headers, body, provider=reply.provider)


def by_status(status: int, otherwise: type[GatewayError] = errors.ProviderBadResponse) -> type[GatewayError]:
    """The error that a status alone stands for."""
    return BY_STATUS.get(status, errors.ProviderError if httpx.codes.is_server_error(status) else otherwise)


def described(kind: type[GatewayError], *, provider: str, status: int, codes: Iterable[str | None] = ()) -> str:
    """The sentence for an error: what its class says, whose it is, and those of the upstream's codes that are codes."""
    summary = (kind.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    facts = [
        f"provider {provider!r}",
        *([f"status {status}"] if httpx.codes.is_error(status) else []),
        *identifiers(codes),
    ]
    return f"{summary} ({', '.join(facts)})."


def identifiers(words: Iterable[str | None]) -> list[str]:
    """Those that are an identifier: no prose, no key, no path."""
    return [word for word in words if word and re.fullmatch(r"[a-z][a-z_]{0,47}(\[\d+\])?(\.[a-z_]+)*", word)]


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long the provider asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as a date.

    A date counts from the answer's own `Date`, so that a difference between the clocks does not matter.
    """
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return _bounded(float(milliseconds) / 1000)
        value = headers.get("retry-after")
        if value is None or re.fullmatch(r"\d+(\.\d+)?", value.strip()):
            return None if value is None else _bounded(float(value))
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers["date"])
        return _bounded(wait.total_seconds())
    except (ValueError, TypeError, KeyError):  # it asks for something that nobody can read: as if it did not
        return None


def _bounded(seconds: float) -> float:
    return max(0.0, min(seconds, DAY_S))
