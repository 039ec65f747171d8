"""The contracts, kept by the `huggingface` provider: text against llama.cpp's server with a real model, which speaks
the router's API and is not ours; pictures against a stub."""

import pytest

from pluggably.adapters.providers.huggingface.provider import HuggingFaceProvider
from pluggably.domain.generation import Completed, Started
from pluggably.testing.generator import GeneratorContract
from pluggably.testing.media_generator import MediaGeneratorContract, events_of
from pluggably.testing.model_source import ModelSourceContract

from ..builders import a_request
from ..integration.providers.huggingface_stub import drawing, huggingface
from ..integration.providers.image_answers import asked_of


class TestTextAgainstLlamaCpp(GeneratorContract):
    @pytest.fixture
    async def generator(self, llama_server):
        address, key = llama_server
        models = ["HuggingFaceTB/SmolLM2*"]
        provider = HuggingFaceProvider(name="hub", base_url=f"{address}/v1", api_key=key, models=models)
        yield provider
        await provider.close()

    @pytest.fixture
    def request_(self, generator):
        model = generator.match("hub/HuggingFaceTB/SmolLM2-135M-Instruct:fastest")
        return a_request(model=model, max_tokens=16, temperature=0.0)


class TestPictures(MediaGeneratorContract):
    @pytest.fixture
    async def generator(self):
        async with huggingface(drawing) as (provider, _):
            yield provider

    @pytest.fixture
    def request_(self, generator):
        return asked_of(generator, None, model="black-forest-labs/FLUX.1-dev", seed=5)

    async def test_steps_only_grow_and_end_at_their_number(self, generator, placed):
        """The picture is the answer: there are no steps."""
        events = await events_of(generator, placed())
        assert [type(event) for event in events] == [Started, Completed]


class TestItsModels(ModelSourceContract):
    @pytest.fixture
    def source(self):
        models = ["openai/gpt-oss-120b:fastest", "Qwen/*", "black-forest-labs/FLUX.1-dev"]
        return HuggingFaceProvider(
            name="hub",
            base_url="https://router.example.com/v1",
            api_key=None,
            models=models,
            image_models=["black-forest-labs/*"],
        )
