"""The contract of media generators, kept by the `meshy` provider: against a stub, as nobody else has its API."""

import pytest

from pluggably.adapters.providers.meshy.provider import MeshyProvider
from pluggably.testing.media_generator import MediaGeneratorContract, events_of
from pluggably.testing.model_source import ModelSourceContract

from ..integration.providers.meshy_stub import MeshyStub, meshy
from ..integration.providers.solids import asked_of


class TestMeshy(MediaGeneratorContract):
    @pytest.fixture
    async def generator(self):
        async with meshy(MeshyStub()) as (provider, _):
            yield provider

    @pytest.fixture
    def request_(self, generator):
        return asked_of(generator, None, model="meshy-7")

    async def test_usage_and_the_seed_are_told(self, generator, placed):
        """Meshy has no seeds."""
        completed = (await events_of(generator, placed()))[-1]
        assert completed.usage.input_tokens > 0
        assert completed.seed is None


class TestItsModels(ModelSourceContract):
    @pytest.fixture
    def source(self):
        models = ["meshy-7", "meshy-t*", "meshy-6"]
        return MeshyProvider(name="acme", base_url="https://api.example.com", api_key=None, models=models)
