"""The contracts, kept by the `ollama` provider: against a stub, in Ollama's recorded shapes."""

import pytest

from pluggably.testing.generator import GeneratorContract
from pluggably.testing.model_source import ModelSourceContract

from ..builders import a_request
from ..integration.providers.ollama_stub import OllamaStub, ollama


class TestOllama(GeneratorContract):
    @pytest.fixture
    async def generator(self):
        async with ollama(OllamaStub()) as (provider, _):
            yield provider

    @pytest.fixture
    def request_(self, generator):
        return a_request(model=generator.match("stub/llama3.2"))


class TestItsModels(ModelSourceContract):
    @pytest.fixture
    async def source(self):
        async with ollama(OllamaStub()) as (provider, _):
            yield provider
