"""Whether a server is well, asked at no cost: for something that it has at hand, such as the list of its models."""

from typing import Final

import httpx

from .statuses import ToError, expect_success
from .upstream import Upstream

NO_SUCH_ROUTE: Final = (httpx.codes.NOT_FOUND, httpx.codes.METHOD_NOT_ALLOWED)


async def expect_well(upstream: Upstream, path: str, to_error: ToError) -> None:
    """Go on only if the server answers; what is at `path` it need not have.

    Raises:
        GatewayError: it is not well, or refuses us.
    """
    reply = await upstream.get(upstream.at(path))
    try:
        if reply.status not in NO_SUCH_ROUTE:
            await expect_success(reply, upstream.limits.idle_s, to_error)
    finally:
        await reply.close()
