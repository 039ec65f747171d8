import pytest

from pluggably.adapters.artifacts.disk import DiskArtifactFiles

from .artifact_files import ArtifactFilesContract


class TestDiskArtifactFiles(ArtifactFilesContract):
    @pytest.fixture
    async def files(self, tmp_path):
        files = DiskArtifactFiles(tmp_path / "artifacts")
        await files.open()
        yield files
        await files.close()
