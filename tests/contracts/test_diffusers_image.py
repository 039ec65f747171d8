"""The contract for pictures and meshes over a diffusers folder, in a real child process."""

import psutil
import pytest
import pytest_asyncio

from pluggably.adapters.catalog.folder import SHIPPED
from pluggably.adapters.runners.pool import LocalRunners
from pluggably.domain.errors import RunnerCrashed
from pluggably.domain.generation import Completed, Progress
from pluggably.testing.media_generator import MediaGeneratorContract, events_of
from tests.builders import a_model, a_picture_request

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runners():
    runners = LocalRunners(keep_alive_s=-1, threads=1)
    yield runners
    await runners.close()


class TestDiffusersImage(MediaGeneratorContract):
    @pytest.fixture
    def generator(self, runners):
        return runners

    @pytest.fixture
    def request_(self):
        model = a_model(path=str(SHIPPED / "tiny-shapes"), engine="diffusers_image", size_bytes=0)
        return a_picture_request("a red circle", None, model=model, n=2, steps=4)

    async def test_a_killed_process_fails_its_request_and_the_next_one_starts_it_again(self, generator, placed):
        with pytest.raises(RunnerCrashed, match="signal 9"):
            async for event in generator.generate(placed()):
                if isinstance(event, Progress):
                    for child in psutil.Process().children():
                        child.kill()
        assert isinstance((await events_of(generator, placed()))[-1], Completed)
