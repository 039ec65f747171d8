"""The generator contract, kept by the `openai` provider: against our own stub of the API, and against llama.cpp's
server with a real model, which is an implementation of the API that we did not write."""

import pytest
from attrs import evolve

from pluggably.domain.generation import GenerationRequest
from pluggably.testing.generator import GeneratorContract

from ..builders import a_request
from ..integration.providers.openai_server import counting, openai_server


def asked_of(provider, request: GenerationRequest) -> GenerationRequest:
    return evolve(request, model=provider.match("stub/gpt-test"))


class TestAgainstTheStub(GeneratorContract):
    @pytest.fixture
    async def generator(self):
        async with openai_server(counting) as server:
            provider = server.provider()
            yield provider
            await provider.close()

    @pytest.fixture
    def request_(self, generator):
        return asked_of(generator, a_request())


class TestAgainstLlamaCpp(GeneratorContract):
    @pytest.fixture
    async def generator(self, llama_server):
        from pluggably.adapters.providers.openai.provider import OpenAIProvider

        address, key = llama_server
        provider = OpenAIProvider(name="stub", base_url=f"{address}/v1", api_key=key, models=["gpt-test"])
        yield provider
        await provider.close()

    @pytest.fixture
    def request_(self, generator):
        return asked_of(generator, a_request(max_tokens=16, temperature=0.0))
