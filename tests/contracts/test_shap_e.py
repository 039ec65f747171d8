"""The contract for pictures and meshes over a Shap-E folder, in a real child process."""

import pytest
import pytest_asyncio

from pluggably.adapters.catalog.folder import SHIPPED
from pluggably.adapters.runners.pool import LocalRunners
from pluggably.testing.media_generator import MediaGeneratorContract
from tests.builders import a_model, a_solid_request

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runners():
    runners = LocalRunners(keep_alive_s=-1, threads=1)
    yield runners
    await runners.close()


class TestShapE(MediaGeneratorContract):
    @pytest.fixture
    def generator(self, runners):
        return runners

    @pytest.fixture
    def request_(self):
        model = a_model(path=str(SHIPPED / "tiny-solids"), engine="shap_e", size_bytes=0)
        return a_solid_request("a red cone", None, model=model, steps=4)
