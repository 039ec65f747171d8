"""What every `ModelLoader` promises; a test module per adapter subclasses this and provides the fixtures."""

import pytest

from pluggably.application.model_ports import ModelLoader
from pluggably.domain.errors import GatewayError, ModelBusy
from pluggably.domain.model import Model, ModelStatus


class ModelLoaderContract:
    """Fixtures to provide: `loader`, which tells the status too; `model`; `broken`, which makes it one that is not
    loaded; and `busy`, an asynchronous context in which the model works on a request.
    """

    @pytest.fixture
    def loader(self) -> ModelLoader:
        raise NotImplementedError

    @pytest.fixture
    def model(self) -> Model:
        raise NotImplementedError

    async def test_a_model_is_loaded_until_it_is_unloaded(self, loader, model):
        assert loader.status(model.id) is ModelStatus.AVAILABLE
        for _ in range(2):
            await loader.load(model)
            assert loader.status(model.id) is ModelStatus.LOADED
        await loader.unload(model.id)
        assert loader.status(model.id) is ModelStatus.AVAILABLE

    async def test_what_is_not_loaded_is_unloaded_without_an_error(self, loader, model):
        await loader.unload(model.id)
        await loader.unload("nobody")

    async def test_a_busy_model_is_not_unloaded(self, loader, model, busy):
        async with busy():
            with pytest.raises(ModelBusy):
                await loader.unload(model.id)
            assert loader.status(model.id) is ModelStatus.LOADED

    async def test_a_load_that_fails_says_so_each_time(self, loader, model, broken):
        broken()
        for _ in range(2):
            with pytest.raises(GatewayError):
                await loader.load(model)
        assert loader.status(model.id) is ModelStatus.AVAILABLE

    async def test_a_model_that_is_kept_can_be_unloaded_all_the_same(self, loader, model):
        loader.keep({model.id})
        await loader.load(model)
        await loader.unload(model.id)
        assert loader.status(model.id) is ModelStatus.AVAILABLE
        loader.keep(())
