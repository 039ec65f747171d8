import os

import pytest

from pluggably.adapters.artifacts.disk import DiskArtifactFiles

from .artifact_files import LARGE, ArtifactFilesContract, read


class TestDiskArtifactFiles(ArtifactFilesContract):
    @pytest.fixture
    async def files(self, tmp_path):
        files = DiskArtifactFiles(tmp_path / "artifacts")
        await files.open()
        yield files
        await files.close()

    async def test_what_has_to_be_waited_for_is_read_too(self, files, put, tmp_path):
        content = await put(LARGE)
        with (tmp_path / "artifacts" / "contents" / content.sha256[:2] / content.sha256).open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)  # out of the kernel's memory
        assert await read(files, content) == LARGE

    async def test_only_their_owner_may_read_the_files(self, files, put, tmp_path):
        await put(LARGE)
        for path in (tmp_path / "artifacts").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0
