import os

import pytest

from pluggably.adapters.downloads.package import PackageFetcher
from tests.unit.downloads.wheel_file import a_wheel

from .model_fetcher import ModelFetcherContract


class TestPackageFetcher(ModelFetcherContract):
    """By the real pip, out of a wheel that is made here."""

    reference, absent, malformed = "tiny-model==1.0", "tiny-model==9.9", "tiny-model"

    @pytest.fixture
    def fetcher(self, folder, tmp_path, monkeypatch):
        shelf = tmp_path / "shelf"
        shelf.mkdir()
        a_wheel(shelf)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(shelf))
        return PackageFetcher(folder)
