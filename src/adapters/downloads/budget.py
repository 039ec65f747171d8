"""How much may be stored, as far as the disk says so: some of it always stays free."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

from attrs import define, field

from ...domain.errors import InsufficientStorage


def free_bytes(folder: Path) -> int:
    """What is free on the disk that the folder is on, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


@define
class FreeDisk:
    """A `StorageBudget`: what is free where `folder` is, less `min_free_bytes` and what others have set aside.

    `make_room` is asked first, where there is somebody who can: it returns when so many bytes more may come, or raises
    `InsufficientStorage`.
    """

    folder: Path
    min_free_bytes: int
    make_room: Callable[[int], Awaitable[None]] | None = None
    free_bytes: Callable[[Path], int] = free_bytes
    _reserved: dict[str, int] = field(init=False, factory=dict)
    _deciding: asyncio.Lock = field(init=False, factory=asyncio.Lock)

    async def reserve(self, key: str, size_bytes: int) -> None:
        """Set so many bytes aside."""
        async with self._deciding:
            if self.make_room and size_bytes > self._reserved.pop(key, 0):
                await self.make_room(size_bytes)
            free = await asyncio.to_thread(self.free_bytes, self.folder)
            self._reserved.pop(key, None)
            self._reserve(key, size_bytes, free)

    async def release(self, key: str) -> None:
        """Set nothing aside any more."""
        self._reserved.pop(key, None)

    def _reserve(self, key: str, size_bytes: int, free: int) -> None:
        others = self.reserved_bytes()
        left = max(free - self.min_free_bytes - others, 0)
        if size_bytes > left:
            raise InsufficientStorage(
                detail=f"This needs {size_bytes} bytes more, and {left} can be had: {free} are free on the disk, "
                f"{self.min_free_bytes} of them shall stay so, and {others} are set aside for other downloads."
            )
        self._reserved[key] = size_bytes

    def reserved_bytes(self) -> int:
        """What is set aside for all downloads of this process together."""
        return sum(self._reserved.values())
