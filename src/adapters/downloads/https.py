"""Models at a URL: one file, `https://host/path/model.gguf`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from attrs import define

from ...application.download_ports import Listing, Opened
from ...domain.download import DownloadFile
from ...domain.errors import InvalidRequest
from .ranges import HttpFiles


@define
class HttpSource:
    """A `DownloadSource` for `https:`, or for `http:` where the guard lets that out."""

    files: HttpFiles
    scheme: str = "https"

    async def list(self, reference: str, include: Sequence[str]) -> Listing:
        """The one file that the URL names, by asking for its first byte."""
        if include:
            raise InvalidRequest.at("/include", "a URL names one file: there is nothing to choose from")
        url = f"{self.scheme}:{reference}"
        name = _name(url)
        async with self.files.open(url, 0, 1, None) as opened:
            file = DownloadFile(name=name, size_bytes=opened.size_bytes, address=url, tag=opened.tag)
        return Listing(name=PurePosixPath(name).stem, pinned=url, files=(file,))

    @asynccontextmanager
    async def open(self, file: DownloadFile, start: int, stop: int) -> AsyncIterator[Opened]:
        """A part of the file."""
        async with self.files.open(file.address, start, stop, file.tag) as opened:
            yield opened

    async def close(self) -> None:
        """Nothing is held open."""


def _name(url: str) -> str:
    """The file's name: the last part of the URL's path.

    Raises:
        InvalidRequest: it has none.
    """
    try:
        name = unquote(urlsplit(url).path.rpartition("/")[2], errors="strict")
    except ValueError:
        name = ""
    if not name:
        raise InvalidRequest.at("/source", "must be a URL that ends with the name of a file, such as model.gguf")
    return name
