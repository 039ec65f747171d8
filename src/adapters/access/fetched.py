"""What an issuer answers: JSON, of a size and within a time that harm nobody, from where it was asked for."""

import asyncio
import json
from typing import Any

import httpx

TIMEOUT_S = 5.0
LIMIT_BYTES = 2**20


class Refused(Exception):
    """There was no such answer."""


async def json_of(http: httpx.AsyncClient, method: str, url: str, **request: Any) -> Any:
    """What the issuer answers. `http` follows no redirects.

    Raises:
        Refused: it is not there, says that it failed, or answers something else.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S), http.stream(method, url, **request) as response:
            if response.status_code != httpx.codes.OK:
                raise Refused(f"it answered {response.status_code}")
            body = bytearray()
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > LIMIT_BYTES:
                    raise Refused("its answer is too large")
        return json.loads(body)
    except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as exc:
        raise Refused(str(exc)) from exc
