"""The contract of media generators, kept by the `stability` provider: against a stub, as nobody else has its API."""

import pytest

from pluggably.adapters.providers.stability.provider import StabilityProvider
from pluggably.domain.generation import Completed, Started
from pluggably.testing.media_generator import MediaGeneratorContract, events_of
from pluggably.testing.model_source import ModelSourceContract

from ..integration.providers.image_answers import asked_of as asked_for_a_picture
from ..integration.providers.solids import a_picture, asked_of
from ..integration.providers.stability_stub import drawing, stability


class WithoutProgress(MediaGeneratorContract):
    """Stability answers once, with the file: there are no steps."""

    @pytest.fixture
    async def generator(self):
        async with stability(drawing) as (provider, _):
            yield provider

    async def test_steps_only_grow_and_end_at_their_number(self, generator, placed):
        events = await events_of(generator, placed())
        assert [type(event) for event in events] == [Started, Completed]


class TestPictures(WithoutProgress):
    @pytest.fixture
    def request_(self, generator):
        return asked_for_a_picture(generator, None, model="core", seed=5)


class TestMeshes(WithoutProgress):
    @pytest.fixture
    def request_(self, generator, tmp_path):
        return asked_of(generator, None, a_picture(tmp_path), model="stable-point-aware-3d", seed=5)


class TestItsModels(ModelSourceContract):
    @pytest.fixture
    def source(self):
        models = ["core", "sd3.5-*"]
        return StabilityProvider(name="acme", base_url="https://api.example.com", api_key=None, models=models)
