"""Hugging Face's router as its documentation and its client show it (November 2026), on a free port."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pluggably.adapters.providers.huggingface.provider import HuggingFaceProvider

from ...pictures import encoded
from .openai_server import Answer, Call, OpenAIServer, counting, openai_server


async def drawing(call: Call) -> None:
    """Draw a picture where those are asked for, and count in words where text is."""
    if call.path == "/v1/chat/completions":
        await counting(call)
    else:
        await call.answer(encoded("JPEG"), media_type="image/jpeg")


@asynccontextmanager
async def huggingface(answer: Answer, **settings) -> AsyncIterator[tuple[HuggingFaceProvider, OpenAIServer]]:
    """A provider of a server that answers so, and the server."""
    async with openai_server(answer) as server:
        ordinary = {"name": "stub", "base_url": server.base_url, "api_key": "hf_secret", "models": ["*"]}
        provider = HuggingFaceProvider(**(ordinary | {"image_models": ["black-forest-labs/*"]} | settings))
        try:
            yield provider, server
        finally:
            await provider.close()
