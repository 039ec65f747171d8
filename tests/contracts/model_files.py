"""What every `ModelFiles` promises; a test module per adapter subclasses this and provides the fixtures."""

import pytest
from attrs import evolve

from pluggably.application.model_ports import ModelFiles
from pluggably.domain.errors import GatewayError, InvalidRequest
from pluggably.domain.model import Model


class ModelFilesContract:
    """Fixtures to provide: `files`, and `models`, two of 10 bytes or more that they hold, with all sizes told."""

    @pytest.fixture
    def files(self) -> ModelFiles:
        raise NotImplementedError

    @pytest.fixture
    def models(self) -> list[Model]:
        raise NotImplementedError

    async def test_what_is_there_is_held_and_located_by_its_path(self, files, models):
        for model in models:
            assert files.holds(model)
            assert files.locate(model.path) == model.path

    async def test_what_is_elsewhere_is_neither(self, files, models):
        assert not files.holds(evolve(models[0], path="/nowhere/at/all"))
        assert not files.holds(evolve(models[0], provider="acme", path=None))
        for path in ("/nowhere/at/all", "../elsewhere", "..", "/", "/etc/hosts"):
            with pytest.raises(InvalidRequest):
                files.locate(path)

    async def test_the_usage_adds_up(self, files, models):
        usage = await files.usage()
        assert usage.models_bytes == sum(model.size_bytes for model in models)
        assert 0 <= usage.free_bytes <= usage.total_bytes

    async def test_a_model_that_is_removed_frees_its_bytes_and_leaves_the_others(self, files, models):
        first, second = models
        assert await files.remove(first) == first.size_bytes
        assert files.holds(second)
        assert (await files.usage()).partial_bytes == 0
        assert await files.remove(second) == second.size_bytes

    async def test_what_is_not_held_is_not_removed(self, files, models):
        with pytest.raises(GatewayError):
            await files.remove(evolve(models[0], path="/nowhere/at/all"))
