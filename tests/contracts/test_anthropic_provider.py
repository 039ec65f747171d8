"""The generator contract, kept by the `anthropic` provider: against our own stub of the API, and against llama.cpp's
server with a real model, which is an implementation of the Messages API that we did not write."""

import pytest
from attrs import evolve

from pluggably.adapters.providers.anthropic.provider import AnthropicProvider
from pluggably.domain.generation import FinishReason, Role, ToolCallPart, text_message
from pluggably.testing.generator import GeneratorContract
from pluggably.testing.model_source import ModelSourceContract

from ..builders import a_request
from ..integration.providers.anthropic_server import anthropic_server, counting

TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def asked_of(provider, request):
    return evolve(request, model=provider.match("stub/claude-test"))


class TestAgainstTheStub(GeneratorContract):
    @pytest.fixture
    async def generator(self):
        async with anthropic_server(counting) as server:
            provider = server.provider()
            yield provider
            await provider.close()

    @pytest.fixture
    def request_(self, generator):
        return asked_of(generator, a_request())


class TestAgainstLlamaCpp(GeneratorContract):
    @pytest.fixture
    async def generator(self, llama_server):
        address, key = llama_server
        provider = AnthropicProvider(
            name="stub",
            base_url=f"{address}/v1",
            api_key=key,
            models=["claude-test"],
            version="2023-06-01",
            sampling_models=["*"],
        )
        yield provider
        await provider.close()

    @pytest.fixture
    def request_(self, generator):
        return asked_of(generator, a_request(max_tokens=16, temperature=0.0))

    async def test_an_answer_is_the_same_whole_and_streamed(self, generator, request_):
        streamed, whole = [
            [event async for event in generator.generate(evolve(request_, stream=stream))][-1]
            for stream in (True, False)
        ]
        assert whole.output == streamed.output
        assert whole.usage.output_tokens == streamed.usage.output_tokens == 16

    async def test_a_conversation_with_instructions_and_tools_is_understood(self, generator):
        request = asked_of(
            generator,
            a_request(
                text_message(Role.SYSTEM, "Be brief."),
                "Hi",
                text_message(Role.ASSISTANT, "Hello."),
                "What is the weather in Paris?",
                max_tokens=8,
                tools=(TOOL,),
                tool_choice="auto",
            ),
        )
        completed = [event async for event in generator.generate(request)][-1]
        assert completed.output
        assert completed.finish_reason in (FinishReason.LENGTH, FinishReason.STOP, FinishReason.TOOL_CALLS)
        assert not any(isinstance(part, ToolCallPart) and part.name != "get_weather" for part in completed.output)


class TestModels(ModelSourceContract):
    @pytest.fixture
    def source(self):
        models = ["claude-opus-5", "claude-*", "claude-haiku-4-5"]
        return AnthropicProvider(name="acme", base_url="https://api.example.com/v1", api_key=None, models=models)
