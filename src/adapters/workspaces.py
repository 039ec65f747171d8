"""Folders for the files of one generation each, beside one another on this machine's disk."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


class FolderWorkspaces:
    """Implements `Workspaces`."""

    def __init__(self, folder: Path) -> None:
        """Whatever an earlier run left in `folder` is removed: nobody works on it any more."""
        self._folder = folder
        shutil.rmtree(folder, ignore_errors=True)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[str]:
        """A new folder, removed with all that is in it when the context is left."""
        path = await asyncio.to_thread(self._new)
        try:
            yield path
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, path, ignore_errors=True))

    def _new(self) -> str:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.mkdtemp(dir=self._folder)
