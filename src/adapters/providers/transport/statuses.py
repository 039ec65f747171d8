"""What the HTTP status of an answer means, where its body says nothing more exact."""

from collections.abc import Mapping
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


class ToError(Protocol):
    """What a service's answer says went wrong."""

    def __call__(self, status: int, headers: Mapping[str, str], body: bytes, /, *, provider: str) -> GatewayError:
        """The error for an answer that is not 2xx. The names in `headers` are lower case."""


def by_status(status: int, otherwise: type[GatewayError] = errors.ProviderBadResponse) -> type[GatewayError]:
    """The error that a status alone stands for."""
    return BY_STATUS.get(status, errors.ProviderError if httpx.codes.is_server_error(status) else otherwise)


async def expect_success(reply: Reply, timeout_s: float, to_error: ToError) -> None:
    """Go on only if the status is a good one.

    Raises:
        GatewayError: what the status and the body say went wrong.
    """
    if not reply.is_success:
        body = await reply.excerpt(limit_bytes=ERROR_LIMIT_BYTES, timeout_s=timeout_s)
        raise to_error(reply.status, reply.headers, body, provider=reply.provider)
