"""How much may be stored, as far as the disk says so: some of it always stays free."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path

from attrs import define, field

from ...domain.errors import InsufficientStorage


def _free_bytes(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@define
class FreeDisk:
    """A `StorageBudget`: what is free where `folder` is, less `min_free_bytes` and what others have set aside."""

    folder: Path
    min_free_bytes: int
    free_bytes: Callable[[Path], int] = _free_bytes
    _reserved: dict[str, int] = field(init=False, factory=dict)

    async def reserve(self, key: str, size_bytes: int) -> None:
        """Set so many bytes aside."""
        others = sum(size for known, size in self._reserved.items() if known != key)
        free = await asyncio.to_thread(self.free_bytes, self.folder)
        left = free - self.min_free_bytes - others
        if size_bytes > max(left, 0):
            self._reserved.pop(key, None)
            raise InsufficientStorage(
                detail=f"This needs {size_bytes} bytes more, and {max(left, 0)} can be had: {free} are free on the "
                f"disk, {self.min_free_bytes} of them shall stay so, and {others} are set aside for other downloads."
            )
        self._reserved[key] = size_bytes

    async def release(self, key: str) -> None:
        """Set nothing aside any more."""
        self._reserved.pop(key, None)
