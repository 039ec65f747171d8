"""The generator contracts, kept by the `gemini` provider against our own stub of the API.

What Google's own client sends and understands is compared in `integration/providers/test_gemini_sdk.py`.
"""

import pytest
from attrs import evolve

from pluggably.adapters.providers.gemini.provider import GeminiProvider
from pluggably.domain.generation import Completed, Progress, Started, TextDelta
from pluggably.testing.generator import GeneratorContract
from pluggably.testing.media_generator import MediaGeneratorContract, events_of
from pluggably.testing.model_source import ModelSourceContract

from ..builders import a_picture_request, a_request
from ..integration.providers.gemini_server import counting, drawing, gemini_server


class TestText(GeneratorContract):
    @pytest.fixture
    async def generator(self):
        async with gemini_server(counting) as server:
            provider = server.provider()
            yield provider
            await provider.close()

    @pytest.fixture
    def request_(self, generator):
        return evolve(a_request(), model=generator.match("stub/gemini-test"))


class TestPictures(MediaGeneratorContract):
    """But for the steps: Gemini tells none."""

    @pytest.fixture
    async def generator(self):
        async with gemini_server(drawing) as server:
            provider = server.provider()
            yield provider
            await provider.close()

    @pytest.fixture
    def request_(self, generator):
        return a_picture_request("A circle", None, model=generator.match("stub/gemini-2.5-flash-image"), seed=5)

    async def test_it_starts_goes_on_and_completes_in_this_order(self, generator, placed):
        started, said, completed = await events_of(generator, placed())
        assert isinstance(started, Started)
        assert said == TextDelta("Here it is.")
        assert isinstance(completed, Completed)

    async def test_steps_only_grow_and_end_at_their_number(self, generator, placed):
        """There are none, and none are made up."""
        assert not any(isinstance(event, Progress) for event in await events_of(generator, placed()))


class TestModels(ModelSourceContract):
    @pytest.fixture
    def source(self):
        models = ["gemini-3-pro", "gemini-*", "gemini-3-pro-image"]
        return GeminiProvider(name="acme", base_url="https://api.example.com/v1beta", api_key=None, models=models)
