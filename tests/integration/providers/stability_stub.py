"""Stability's API v2beta as its documentation shows it (November 2026), on a free port."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pluggably.adapters.providers.stability.provider import StabilityProvider

from ...meshes import glb
from ...pictures import encoded
from .forms import fields_of
from .openai_server import Answer, Call, OpenAIServer, openai_server


async def drawing(call: Call) -> None:
    """Draw, in the format that is asked for, with the seed that is; or make a mesh."""
    fields = fields_of(call)
    if call.path.startswith("/v2beta/3d/"):
        await call.answer(glb(), media_type="model/gltf-binary")
        return
    kind = fields["output_format"]
    head = {"finish_reason": "SUCCESS", "seed": fields.get("seed", "343940597"), "x_request_id": "9f4b3a3b"}
    await call.answer(encoded(kind.upper()), media_type=f"image/{kind}", **head)


def refusing(status: int, name: str, *sentences: str, **headers: str) -> Answer:
    body = json.dumps({"id": "4212a4b66fbe1cedca4bf2133d35dca5", "name": name, "errors": list(sentences)}).encode()

    async def answer(call: Call) -> None:
        await call.answer(body, status, **headers)

    return answer


@asynccontextmanager
async def stability(answer: Answer, **settings) -> AsyncIterator[tuple[StabilityProvider, OpenAIServer]]:
    """A provider of a server that answers so, and the server."""
    async with openai_server(answer) as server:
        ordinary = {"name": "stub", "base_url": server.base_url.removesuffix("/v1"), "api_key": "sk-secret"}
        provider = StabilityProvider(**(ordinary | {"models": ["*"]} | settings))
        try:
            yield provider, server
        finally:
            await provider.close()
