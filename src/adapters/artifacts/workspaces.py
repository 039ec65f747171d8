"""Folders on the local disk for files that somebody works on."""

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from ...domain.artifact import Content
from ..disk_errors import disk_errors
from ..threads import Threads
from ..workspace import workspace
from .own_file import content_of
from .write_new import write_new

_THREADS = 4


class LocalWorkspaces:
    """Implements `Workspaces`: hidden folders inside one folder; those of killed processes are swept."""

    def __init__(self, folder: Path) -> None:
        """`folder` is made when it is needed."""
        self._folder = folder
        self._threads = Threads(_THREADS, "workspaces", disk_errors)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Path]:
        """A new empty folder."""
        async with AsyncExitStack() as held:
            with disk_errors():
                place = await held.enter_async_context(workspace(self._folder))
            yield place

    async def write(self, chunks: AsyncIterable[bytes], path: Path, limit_bytes: int) -> None:
        """Write what comes into a new file."""
        await write_new(self._threads, chunks, path, limit_bytes)

    async def content(self, path: Path) -> Content:
        """What is in a file."""
        return await self._threads.run(lambda: content_of(path))

    async def close(self) -> None:
        """Finish what was begun."""
        await self._threads.close()
