import pytest

from pluggably.adapters.memory.fetcher import MemoryFetcher

from .model_fetcher import ModelFetcherContract


class TestMemoryFetcher(ModelFetcherContract):
    reference, absent, malformed = "tiny.gguf", "huge.gguf", "a/b"

    @pytest.fixture
    def fetcher(self, folder):
        return MemoryFetcher(folder, {"tiny.gguf": b"GGUF" + bytes(20_000)})
