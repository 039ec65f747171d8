import pytest

from pluggably.adapters.providers.openai.provider import OpenAIProvider
from pluggably.testing.model_source import ModelSourceContract


class TestOpenAIProvider(ModelSourceContract):
    @pytest.fixture
    def source(self):
        models = ["gpt-4o", "claude-*", "gpt-4o-mini"]
        return OpenAIProvider(name="acme", base_url="https://api.example.com/v1", api_key=None, models=models)
