"""The contracts of runners over a real Ray cluster."""

import asyncio
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from pluggably.testing.generator import GeneratorContract
from tests.builders import a_gguf_model, a_request
from tests.integration.runners.conftest import SCRIPTED, Folder, events_of

from .model_loader import ModelLoaderContract

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.ray]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def make_runners(ray_cluster, tmp_path_factory):
    from pluggably.adapters.runners.ray_serve.host import RayRunners
    from pluggably.adapters.runners.ray_serve.node_files import FileSource

    made = []

    def make(**options) -> RayRunners:
        source = FileSource(folder=str(tmp_path_factory.mktemp("node")))
        made.append(RayRunners(address=ray_cluster.address, source=source, cpus=1, **options))
        return made[-1]

    yield make
    await asyncio.gather(*(runners.close() for runners in made))


@pytest.fixture(scope="module")
def runners(make_runners):
    return make_runners()


class TestLlamaCppOnRay(GeneratorContract):
    @pytest.fixture
    def generator(self, runners):
        return runners

    @pytest.fixture
    def request_(self, demo_gguf):
        return a_request(model=a_gguf_model(demo_gguf, context_length=2048), max_tokens=32)


class TestRayRunnersAsLoader(ModelLoaderContract):
    @pytest.fixture
    def folder(self, tmp_path):
        return Folder(tmp_path / "tiny")

    @pytest_asyncio.fixture(loop_scope="module")
    async def loader(self, make_runners, model):
        runners = make_runners(engines=SCRIPTED)
        yield runners
        await runners.unload(model.id)

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
