"""What every `ModelSource` promises; a test module per source subclasses this and provides the fixtures."""

import pytest

from ..application.ports import ModelSource
from ..domain.model import Model, ModelStatus


class ModelSourceContract:
    """Fixture to provide: `source`, with at least two models, one of which cannot be used if it is possible at all."""

    @pytest.fixture
    def source(self) -> ModelSource:
        raise NotImplementedError

    async def test_it_lists_models(self, source):
        models = await source.models()
        assert len(models) > 1
        assert all(isinstance(model, Model) for model in models)

    async def test_no_two_models_have_the_same_id(self, source):
        ids = [model.id for model in await source.models()]
        assert len(set(ids)) == len(ids)

    async def test_the_order_is_the_same_each_time(self, source):
        assert list(await source.models()) == list(await source.models())

    async def test_a_model_that_cannot_be_used_says_why(self, source):
        unusable = (ModelStatus.INCOMPLETE, ModelStatus.UNSUPPORTED, ModelStatus.MISSING)
        assert all(model.reason for model in await source.models() if model.status in unusable)

    async def test_a_name_that_nobody_knows_matches_nothing(self, source):
        await source.models()
        assert source.match("no-such/model-anywhere") is None
        assert source.match("") is None
