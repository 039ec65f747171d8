import asyncio
from contextlib import asynccontextmanager

import pytest

from pluggably.adapters.memory.local_models import MemoryModelLoader
from pluggably.adapters.runners.pool import LocalRunners
from pluggably.domain.errors import RunnerCrashed
from tests.builders import a_model
from tests.integration.runners.conftest import SCRIPTED, Folder, events_of

from .model_loader import ModelLoaderContract


class TestMemoryModelLoader(ModelLoaderContract):
    @pytest.fixture
    def loader(self):
        return MemoryModelLoader()

    @pytest.fixture
    def model(self):
        return a_model()

    @pytest.fixture
    def broken(self, loader):
        def make():
            loader.failure = RunnerCrashed()

        return make

    @pytest.fixture
    def busy(self, loader, model):
        @asynccontextmanager
        async def work():
            loader.busy.add(model.id)
            yield
            loader.busy.discard(model.id)

        return work


class TestLocalRunnersAsLoader(ModelLoaderContract):
    @pytest.fixture
    def folder(self, tmp_path):
        return Folder(tmp_path / "tiny")

    @pytest.fixture
    async def loader(self):
        runners = LocalRunners(engines=SCRIPTED)
        yield runners
        await runners.close()

    @pytest.fixture
    def model(self, folder):
        return folder.request("x").model

    @pytest.fixture
    def broken(self, folder):
        return lambda: folder.put("broken")

    @pytest.fixture
    def busy(self, loader, folder):
        @asynccontextmanager
        async def work():
            running = asyncio.create_task(events_of(loader, folder.request("hold")))
            await folder.has("holding")
            yield
            folder.put("release")
            await running

        return work
