"""`kill -9` amid writing: what was kept is there and whole, nothing else can be had, and nothing half is left."""

import asyncio
import os
import subprocess
import sys
from hashlib import file_digest
from pathlib import Path

import pytest

from pluggably.application.artifacts import Artifacts
from pluggably.domain.access import LOCAL_OPERATOR
from pluggably.domain.artifact import Content

from .writer import opened

ROUNDS = 2


async def killed_amid_writing(folder: Path, after_bytes: int) -> dict[str, str]:
    """Let a writer keep a file or two, kill it while it writes the next, and return what it acknowledged."""
    command = (sys.executable, "-m", "tests.integration.artifacts.writer", str(folder))
    writer = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        assert await writer.stdout.readline() == b"ready\n"
        said = [await writer.stdout.readline()]
        while largest(folder / "artifacts" / "partial") < after_bytes:
            await asyncio.sleep(0)
    finally:
        writer.kill()
    said += (await writer.stdout.read()).splitlines(keepends=True)
    await writer.wait()
    return dict(line.decode().split() for line in said if line.endswith(b"\n"))


def largest(folder: Path) -> int:
    try:
        return max((it.stat().st_size for it in os.scandir(folder)), default=0)
    except FileNotFoundError:  # it was finished just now
        return 0


def stored(folder: Path) -> dict[str, str]:
    """Each file that can be had, by its name, with the sha256 of what is in it."""
    found = {}
    for path in (folder / "artifacts" / "contents").glob("*/*"):
        with path.open("rb") as file:
            found[path.name] = file_digest(file, "sha256").hexdigest()
    return found


@pytest.mark.parametrize("after_bytes", [1, 20 * 2**20])
async def test_a_killed_writer_leaves_whole_files_and_nothing_half(tmp_path, after_bytes):
    acknowledged: dict[str, str] = {}
    left_half = 0
    while left_half < ROUNDS:  # now and then the file is finished before the kill comes
        acknowledged |= await killed_amid_writing(tmp_path, after_bytes)
        left_half += len(list((tmp_path / "artifacts" / "partial").iterdir()))
        assert all(name == sha256 for name, sha256 in stored(tmp_path).items())
        async with opened(tmp_path) as artifacts:
            await expect_all(artifacts, acknowledged)
            await expect_nothing_else(artifacts, tmp_path)


async def expect_all(artifacts: Artifacts, acknowledged: dict[str, str]) -> None:
    for artifact_id, sha256 in acknowledged.items():
        artifact = await artifacts.get(artifact_id, LOCAL_OPERATOR)
        assert artifact.content.sha256 == sha256
        assert await artifacts.files.has(artifact.content)


async def expect_nothing_else(artifacts: Artifacts, folder: Path) -> None:
    assert list((folder / "artifacts" / "partial").iterdir()) == []
    await artifacts.cleanup()
    assert await artifacts.index.unneeded() == []
    for path in (folder / "artifacts" / "contents").glob("*/*"):
        assert await artifacts.index.is_needed(Content(sha256=path.name, size_bytes=path.stat().st_size))
