"""Writes what comes in, from wherever, into a new file; no more of it than was agreed."""

from collections.abc import AsyncIterable
from functools import partial
from pathlib import Path

from ...domain.errors import ArtifactTooLarge
from ..disk_errors import disk_errors
from ..threads import Threads


async def write_new(threads: Threads, chunks: AsyncIterable[bytes], path: Path, limit_bytes: int) -> None:
    """Write a new file.

    Raises:
        ArtifactTooLarge: more than `limit_bytes` came.
        InsufficientStorage, GatewayError: it could not be written.
    """
    with disk_errors():
        file = path.open("xb")
    with file:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
            if size > limit_bytes:
                raise ArtifactTooLarge(detail=f"A file may have {limit_bytes} bytes at most.")
            await threads.run(partial(file.write, chunk))
        await threads.run(file.flush)
