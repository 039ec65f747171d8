"""Whether a provider's server is well, asked of it at no cost, through real sockets."""

import pytest

from pluggably.adapters.providers.anthropic.provider import AnthropicProvider
from pluggably.adapters.providers.gemini.provider import GeminiProvider
from pluggably.adapters.providers.huggingface.provider import HuggingFaceProvider
from pluggably.adapters.providers.ollama.provider import OllamaProvider
from pluggably.adapters.providers.openai.provider import OpenAIProvider
from pluggably.domain import errors

from .openai_server import Call, openai_server

ASKED = [
    (OpenAIProvider, "/v1/models"),
    (AnthropicProvider, "/v1/models?limit=1"),
    (GeminiProvider, "/v1/models?pageSize=1"),
    (HuggingFaceProvider, "/v1/models"),
    (OllamaProvider, "/v1/api/tags"),
]
every_kind = pytest.mark.parametrize(("kind", "path"), ASKED, ids=[kind.__name__ for kind, _ in ASKED])


def answering(status: int):
    async def answer(call: Call) -> None:
        await call.answer(b"{}", status)

    return answer


async def _probe(kind, base_url: str) -> None:
    provider = kind(name="stub", base_url=base_url, api_key="secret", models=["m"])
    try:
        await provider.probe()
    finally:
        await provider.close()


@every_kind
@pytest.mark.parametrize("status", [200, 404, 405])
async def test_a_server_that_lists_its_models_or_cannot_list_any_is_well(kind, path, status):
    async with openai_server(answering(status)) as server:
        await _probe(kind, server.base_url)
    assert [call.path for call in server.calls] == [path]


@every_kind
@pytest.mark.parametrize(("status", "error"), [(401, errors.ProviderAuthFailed), (502, errors.ProviderUnavailable)])
async def test_a_server_that_refuses_its_list_is_not_well(kind, path, status, error):
    async with openai_server(answering(status)) as server:
        with pytest.raises(error):
            await _probe(kind, server.base_url)
