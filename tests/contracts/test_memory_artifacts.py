import pytest

from pluggably.adapters.memory.artifacts import MemoryArtifactFiles, MemoryArtifactIndex

from .artifact_files import ArtifactFilesContract
from .artifact_index import ArtifactIndexContract


class TestMemoryArtifactFiles(ArtifactFilesContract):
    @pytest.fixture
    def files(self):
        return MemoryArtifactFiles()


class TestMemoryArtifactIndex(ArtifactIndexContract):
    @pytest.fixture
    def index(self):
        return MemoryArtifactIndex()
