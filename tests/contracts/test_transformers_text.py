"""The generator contract over a real folder of safetensors on transformers, in a real child process."""

import pytest
import pytest_asyncio

from pluggably.adapters.runners.pool import LocalRunners
from pluggably.testing.generator import GeneratorContract
from tests.builders import a_model, a_request

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runners():
    runners = LocalRunners(keep_alive_s=-1)
    yield runners
    await runners.close()


class TestTransformersText(GeneratorContract):
    @pytest.fixture
    def generator(self, runners):
        return runners

    @pytest.fixture
    def request_(self, demo_safetensors):
        model = a_model(path=str(demo_safetensors), engine="transformers_text", context_length=2048)
        return a_request(model=model, max_tokens=32, temperature=1.0, seed=3)
