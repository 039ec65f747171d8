"""Downloads as tests need them."""

import hashlib
import os
import random
import time
from datetime import timedelta
from pathlib import Path

from attrs import evolve

from pluggably.domain import download as rules
from pluggably.domain.download import DownloadFile, DownloadJob, DownloadStatus
from tests.session_builders import NOON

FAILURE = rules.Failure(code="x", detail="y", retryable=True)


def a_file(name: str = "model.gguf", size_bytes: int = 1_000, **facts) -> DownloadFile:
    return DownloadFile(**({"name": name, "size_bytes": size_bytes, "address": f"memory/{name}"} | facts))


def a_download(job_id: str = "dl_1", *files: DownloadFile, **facts) -> DownloadJob:
    """A queued download."""
    ordinary = {"owner": "local", "source": "memory:tiny", "key": "k" * 64, "folder": "tiny"}
    times = {"created_at": NOON, "updated_at": NOON}
    return DownloadJob(id=job_id, files=files or (a_file(),), **(ordinary | times | facts))


def noise(seed: int, size_bytes: int) -> bytes:
    """So many bytes that look like nothing, and are the same each time."""
    return random.Random(seed).randbytes(size_bytes)  # noqa: S311 - no secret


def git_id(content: bytes) -> str:
    """What git calls a file of that content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def in_state(status: DownloadStatus, job: DownloadJob | None = None) -> DownloadJob:
    """A download in that state, by the shortest way that leads there."""
    job, at = job or a_download(), NOON + timedelta(seconds=1)
    running = rules.start(job, at=at)
    return {
        DownloadStatus.QUEUED: lambda: job,
        DownloadStatus.RUNNING: lambda: running,
        DownloadStatus.VERIFYING: lambda: rules.verify(running, at=at),
        DownloadStatus.PAUSED: lambda: rules.pause(running, at=at),
        DownloadStatus.CANCELLED: lambda: rules.cancel(running, at=at),
        DownloadStatus.FAILED: lambda: rules.fail(running, FAILURE, at=at),
        DownloadStatus.COMPLETED: lambda: rules.complete(rules.verify(running, at=at), ("tiny",), at=at),
    }[status]()


def with_bytes(job: DownloadJob, done: int) -> DownloadJob:
    """So many bytes of its first file are here."""
    return evolve(job, files=(evolve(job.files[0], bytes_done=done), *job.files[1:]))


def long_ago(folder: Path) -> Path:
    """The folder of a download that was begun eight days ago, with a partial file."""
    folder.mkdir(parents=True)
    (folder / "0.part").write_bytes(b"GGUF")
    eight_days_ago = time.time() - 8 * 86_400
    os.utime(folder, (eight_days_ago, eight_days_ago))
    return folder
