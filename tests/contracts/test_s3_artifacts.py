import pytest

from pluggably.adapters.artifacts.s3 import S3ArtifactFiles

from .artifact_files import ArtifactFilesContract


class TestS3ArtifactFiles(ArtifactFilesContract):
    @pytest.fixture
    async def files(self, s3):
        files = S3ArtifactFiles(s3.bucket())
        await files.open()
        yield files
        await files.close()
