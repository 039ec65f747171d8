import pytest

from pluggably.adapters.catalog.files import LocalModelFiles
from pluggably.adapters.catalog.folder import ModelFolder
from pluggably.adapters.memory.local_models import MemoryModelFiles
from tests.builders import a_model
from tests.model_world import ENGINES
from tests.unit.catalog.gguf_file import a_gguf

from .model_files import ModelFilesContract


class TestLocalModelFiles(ModelFilesContract):
    @pytest.fixture
    def folder(self, tmp_path):
        for name in ("a", "b"):
            (tmp_path / f"{name}.gguf").write_bytes(a_gguf())
        return ModelFolder([tmp_path], ENGINES)

    @pytest.fixture
    async def models(self, folder):
        return await folder.models()

    @pytest.fixture
    async def files(self, folder, models):
        files = LocalModelFiles(folder)
        yield files
        await files.close()


class TestMemoryModelFiles(ModelFilesContract):
    @pytest.fixture
    def models(self):
        return [a_model(name, path=f"/m/{name}", size_bytes=10) for name in ("a", "b")]

    @pytest.fixture
    def files(self, models):
        return MemoryModelFiles({model.path: model for model in models})
