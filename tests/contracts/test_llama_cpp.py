"""The generator contract over a real GGUF model on llama.cpp, in a real child process."""

import pytest

from pluggably.adapters.runners.pool import LocalRunners
from pluggably.testing.generator import GeneratorContract
from tests.builders import a_gguf_model, a_request


class TestLlamaCpp(GeneratorContract):
    @pytest.fixture
    async def generator(self):
        runners = LocalRunners(threads=1)  # two that share a core with other tests wait for each other at every step
        yield runners
        await runners.close()

    @pytest.fixture
    def request_(self, demo_gguf):
        return a_request(model=a_gguf_model(demo_gguf, context_length=2048), max_tokens=32)
