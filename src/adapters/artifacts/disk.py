"""Contents in a folder of the local disk: `contents/ab/abcd…`, by the hex sha256.

A file gets this name by a rename, after all of it was written, hashed and synced; so there is never less than the whole
under it. For any number of processes on one folder. What it cannot do: notice bytes that the disk itself has changed.
"""

import asyncio
import fcntl
import os
import shutil
from collections.abc import AsyncGenerator
from contextlib import ExitStack, suppress
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from secrets import token_hex
from typing import IO

from ...domain.artifact import Content
from ...domain.errors import NotFound, StreamInterrupted
from ..disk_errors import disk_errors
from ..flushing import flush_folder
from ..threads import Threads
from .own_file import not_that_content, own_file, pieces

READ_BYTES = 2**18
_THREADS = 8


class DiskArtifactFiles:
    """Implements `ArtifactFiles`."""

    def __init__(self, folder: Path) -> None:
        """Nothing is touched before `open`."""
        self._contents, self._partials = folder / "contents", folder / "partial"
        self._threads = Threads(_THREADS, "artifacts", disk_errors)

    async def open(self) -> None:
        """Make the folders, and remove what killed processes have left."""
        await self._threads.run(self._open)

    async def put(self, path: Path, content: Content) -> None:
        """Copy a file."""
        await self._threads.run(lambda: self._put(path, content))

    async def has(self, content: Content) -> bool:
        """Whether it is there."""
        return await self._threads.run(lambda: self._is_there(content))

    async def read(self, content: Content, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Yield a part of it."""
        with ExitStack() as held:  # so that a file which is opened for somebody who was cancelled is closed too
            file = (await self._threads.run(lambda: held.enter_context(self._opened(content)))).fileno()
            end = start + length
            while start < end:
                size = min(READ_BYTES, end - start)
                piece = _cached(file, start, size) or await self._threads.run(partial(os.pread, file, size, start))
                if not piece:
                    raise StreamInterrupted(detail="The stored file ends too early.")
                start += len(piece)
                yield piece
                await asyncio.sleep(0)  # a reader that is as fast as memory must not have the loop for itself

    async def copy(self, content: Content, path: Path) -> None:
        """Copy it into a new file."""

        def copy() -> None:
            with self._opened(content) as source, path.open("xb") as target:
                shutil.copyfileobj(source, target, READ_BYTES)

        await self._threads.run(copy)

    async def delete(self, content: Content) -> None:
        """Remove it."""

        def delete() -> None:
            path = self._path(content)
            path.unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                flush_folder(path.parent)

        await self._threads.run(delete)

    async def presigned(
        self,
        content: Content,  # noqa: ARG002 - the port's signature
        *,
        media_type: str,  # noqa: ARG002 - the port's signature
        disposition: str,  # noqa: ARG002 - the port's signature
        lifetime: timedelta,  # noqa: ARG002 - the port's signature
    ) -> str | None:
        """None: whoever serves this folder is the gateway."""
        return None

    async def close(self) -> None:
        """Finish what was begun."""
        await self._threads.close()

    def _path(self, content: Content) -> Path:
        return self._contents / content.sha256[:2] / content.sha256

    def _opened(self, content: Content) -> IO[bytes]:
        try:
            return self._path(content).open("rb", buffering=0)
        except FileNotFoundError as exc:
            raise NotFound(detail="The content of the artifact is not there any more.") from exc

    def _is_there(self, content: Content) -> bool:
        try:
            return self._path(content).stat().st_size == content.size_bytes
        except FileNotFoundError:
            return False

    def _put(self, path: Path, content: Content) -> None:
        if self._is_there(content):
            return
        unfinished = self._partials / f"{content.sha256}.{token_hex(8)}"
        try:
            _copy(path, unfinished, content)
            self._give_name(unfinished, content)
        finally:
            unfinished.unlink(missing_ok=True)

    def _give_name(self, finished: Path, content: Content) -> None:
        path = self._path(content)
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            flush_folder(self._contents)
        finished.rename(path)
        flush_folder(path.parent)

    def _open(self) -> None:
        for folder in (self._contents, self._partials):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in self._partials.iterdir():
            with suppress(FileNotFoundError, BlockingIOError), left.open("rb") as file:  # finished, or being written
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                left.unlink()


def _cached(file: int, start: int, size: int) -> bytes:
    """As much of a part as can be had without waiting for the disk; nothing if that is not known."""
    buffer = memoryview(bytearray(size))
    try:
        return bytes(buffer[: os.preadv(file, [buffer], start, os.RWF_NOWAIT)])
    except (OSError, AttributeError):  # it is not in memory, or the file system or the platform cannot tell
        return b""


def _copy(source: Path, target: Path, content: Content) -> None:
    """Write a new file that is on the disk when this returns, and is that content.

    Raises:
        GatewayError: the source is another content.
    """
    digest, size = sha256(), 0
    with _new_locked(target) as file, own_file(source) as opened:
        for piece in pieces(opened):
            digest.update(piece)
            size += file.write(piece)
        file.flush()
        if (digest.hexdigest(), size) != (content.sha256, content.size_bytes):
            raise not_that_content()
        os.fsync(file.fileno())


def _new_locked(path: Path) -> IO[bytes]:
    """A new file, locked, so that whoever sweeps sees that somebody writes it."""
    while True:
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:
            return file
        file.close()  # it was swept before it was locked
