import pytest

from pluggably.adapters.downloads.folder import FolderSource
from pluggably.adapters.downloads.https import HttpSource
from pluggably.adapters.downloads.hub import HubSource
from pluggably.adapters.downloads.ranges import HttpFiles
from pluggably.adapters.downloads.s3 import S3Source, S3Store
from pluggably.adapters.egress.guard import EgressGuard
from pluggably.adapters.memory.downloads import MemorySource
from tests.file_server import serving
from tests.hub_server import Repository, serving_hub

from .download_source import CONTENT, DownloadSourceContract


def files(*origins: str) -> HttpFiles:
    return HttpFiles(guard=EgressGuard(private_origins=origins), silence_s=5)


class TestMemorySource(DownloadSourceContract):
    @pytest.fixture
    def source(self):
        return MemorySource({"tiny": {"tiny.gguf": CONTENT}})

    @pytest.fixture
    def reference(self):
        return "tiny"

    @pytest.fixture
    def absent(self):
        return "none"


class TestHttpSource(DownloadSourceContract):
    malformed = "//127.0.0.1/"

    @pytest.fixture
    async def server(self):
        async with serving(tiny__gguf=CONTENT) as server:
            yield server

    @pytest.fixture
    def source(self, server):
        return HttpSource(files(server.origin), "http")

    @pytest.fixture
    def reference(self, server):
        return f"{server.origin.removeprefix('http:')}/tiny.gguf"

    @pytest.fixture
    def absent(self, server):
        return f"{server.origin.removeprefix('http:')}/none.gguf"


class TestHubSource(DownloadSourceContract):
    malformed = "a/b/c"

    @pytest.fixture
    async def source(self):
        async with serving_hub(tiny=Repository({"tiny.gguf": CONTENT, "run.py": b"import os"})) as hub:
            yield HubSource(files(hub.origin, hub.content.origin), endpoint=hub.origin)

    @pytest.fixture
    def reference(self):
        return "org/tiny@main"

    @pytest.fixture
    def absent(self):
        return "org/none"


class TestS3Source(DownloadSourceContract):
    malformed = "tiny"

    @pytest.fixture
    def bucket(self, s3, tmp_path):
        bucket = s3.bucket()
        (tmp_path / "tiny.gguf").write_bytes(CONTENT)
        s3.upload(bucket, "tiny/tiny.gguf", tmp_path / "tiny.gguf")
        return bucket

    @pytest.fixture
    async def source(self, s3, bucket):
        keys = {"access_key": bucket.access_key, "secret_key": bucket.secret_key, "region": bucket.region}
        source = S3Source(S3Store(endpoint=s3.endpoint, **keys), files(s3.endpoint))
        yield source
        await source.close()

    @pytest.fixture
    def reference(self, bucket):
        return f"//{bucket.name}/tiny/"

    @pytest.fixture
    def absent(self, bucket):
        return f"//{bucket.name}/none/"


class TestFolderSource(DownloadSourceContract):
    malformed = "tiny"

    @pytest.fixture
    def source(self, tmp_path):
        (tmp_path / "tiny").mkdir()
        (tmp_path / "tiny/tiny.gguf").write_bytes(CONTENT)
        return FolderSource([tmp_path])

    @pytest.fixture
    def reference(self, tmp_path):
        return f"//{tmp_path}/tiny"

    @pytest.fixture
    def absent(self, tmp_path):
        return f"//{tmp_path}/none"
