"""Looks at pictures from outside; only what their headers say, so that no bomb goes off here."""

from pathlib import Path

from ...application.artifact_ports import Picture
from ...domain.errors import ArtifactTooLarge
from ..disk_errors import disk_errors
from ..picture_headers import read_header
from ..threads import Threads
from .own_file import own_file

_THREADS = 2


class HeaderPictures:
    """Implements `Pictures`."""

    def __init__(self, most_pixels: int) -> None:
        """`most_pixels` is width times height of the largest picture that is accepted."""
        self._most_pixels = most_pixels
        self._threads = Threads(_THREADS, "pictures", disk_errors)

    async def examine(self, path: Path) -> Picture:
        """What the file says of itself."""
        picture = await self._threads.run(lambda: _examine(path))
        if picture.width * picture.height > self._most_pixels:
            raise ArtifactTooLarge(
                detail=f"The picture has {picture.width} × {picture.height} pixels; {self._most_pixels} are accepted."
            )
        return picture

    async def close(self) -> None:
        """Finish what was begun."""
        await self._threads.close()


def _examine(path: Path) -> Picture:
    with own_file(path) as file:
        return read_header(file)
