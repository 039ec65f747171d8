"""A disk that is full: a small one in memory, which only root can have."""

import subprocess

import pytest

from pluggably.adapters.downloads.budget import FreeDisk
from pluggably.domain.errors import InsufficientStorage
from tests.download_builders import noise
from tests.download_world import DownloadWorld
from tests.file_server import Served, serving
from tests.integration.downloads.test_http_downloads import source_of

MIB = 2**20
CONTENT = b"GGUF" + noise(12, 6 * MIB)


class Blind:
    """A budget that sees no end of the disk."""

    async def reserve(self, key, size_bytes):
        """There is always room."""

    async def release(self, key):
        """Nothing was set aside."""


@pytest.fixture
def disk(tmp_path):
    """Eight megabytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)], check=False).returncode:
        pytest.skip("nobody but root can mount")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


async def test_what_does_not_fit_is_refused_before_the_first_byte(disk):
    large = b"GGUF" + noise(13, 9 * MIB)
    async with serving(model__gguf=large) as server:
        world = DownloadWorld(disk / "models", [source_of(server)], budget=FreeDisk(disk, 0))
        async with world.working():
            with pytest.raises(InsufficientStorage):
                await world.create(f"{server.origin}/model.gguf")
        assert server.sent_bytes == 1
    assert list(disk.rglob("*")) == []


async def test_a_disk_that_fills_up_amid_a_download_is_clean_again(disk):
    file = Served(CONTENT, stalls=[2 * MIB])
    async with serving(model__gguf=file) as server:
        world = DownloadWorld(disk / "models", [source_of(server)], budget=Blind(), streams=1)
        async with world.working():
            job = await world.running(await world.create(f"{server.origin}/model.gguf"), 1)
            (disk / "other").write_bytes(bytes(4 * MIB))
            server.gate.set()
            ended = await world.ended(job)
            assert (ended.status, ended.failure.code) == ("failed", "insufficient_storage")
            await world.worker.stop(job.id)
            assert (world.visible, world.partial) == ([], [])
            (disk / "other").unlink()
            assert (await world.fetched(f"{server.origin}/model.gguf")).status == "completed"
    assert (disk / "models/model/model.gguf").read_bytes() == CONTENT
