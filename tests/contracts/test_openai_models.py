import pytest

from pluggably.adapters.providers.openai.provider import OpenAIProvider
from pluggably.testing.model_source import ModelSourceContract


class TestOpenAIProvider(ModelSourceContract):
    @pytest.fixture
    def source(self):
        models = ["gpt-4o", "claude-*", "gpt-4o-mini"]
        return OpenAIProvider(name="acme", base_url="https://api.example.com/v1", api_key=None, models=models)


async def test_what_llama_cpps_server_serves_is_listed_with_its_context(llama_server, demo_gguf):
    """A server that we did not write."""
    address, key = llama_server
    provider = OpenAIProvider(name="acme", base_url=f"{address}/v1", api_key=key, models=["*"], list_s=60)
    (model,) = await provider.models()
    await provider.close()
    assert (model.name, model.context_length) == (str(demo_gguf), 8192)
