"""The contract of media generators, kept by the `tripo` provider: against a stub, as nobody else has its API."""

import pytest

from pluggably.adapters.providers.tripo.provider import TripoProvider
from pluggably.testing.media_generator import MediaGeneratorContract
from pluggably.testing.model_source import ModelSourceContract

from ..integration.providers.solids import asked_of
from ..integration.providers.tripo_stub import TripoStub, tripo


class TestTripo(MediaGeneratorContract):
    @pytest.fixture
    async def generator(self):
        async with tripo(TripoStub()) as (provider, _):
            yield provider

    @pytest.fixture
    def request_(self, generator):
        return asked_of(generator, None, model="v3.1-20260211", seed=5)


class TestItsModels(ModelSourceContract):
    @pytest.fixture
    def source(self):
        models = ["v3.1-20260211", "v2*", "P1-20260311"]
        return TripoProvider(name="acme", base_url="https://api.example.com", api_key=None, models=models)
