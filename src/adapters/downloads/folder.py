"""Models on this machine, or a disk that it has mounted: `file:///path`, a file or a folder of files.

Only what is in folders that the operator has named; a symbolic link that leads out of them is not followed.
"""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from attrs import define, field

from ...application.download_ports import Chunk, Listing, Opened
from ...domain.download import DownloadFile
from ...domain.errors import InvalidRequest, NotFound, SourceForbidden, SourceUnreachable
from ...domain.file_names import chosen, shown
from ..workspace import in_thread

_PIECE_BYTES = 2**20


@define
class FolderSource:
    """A `DownloadSource` for `file:`, of what is in `roots`."""

    roots: Sequence[Path]
    scheme: str = field(init=False, default="file")

    async def list(self, reference: str, include: Sequence[str]) -> Listing:
        """The file, or the files of the folder."""
        return await asyncio.to_thread(self._list, _path(reference), include)

    @asynccontextmanager
    async def open(self, file: DownloadFile, start: int, stop: int) -> AsyncIterator[Opened]:
        """A part of a file."""
        path = await asyncio.to_thread(self._allowed, Path(file.address))
        with ExitStack() as held:
            source = await in_thread(_opened, path, held)
            found = os.fstat(source)
            yield Opened(start=start, size_bytes=found.st_size, tag=_tag(found), chunks=_pieces(source, start, stop))

    async def close(self) -> None:
        """Nothing is held open."""

    def _list(self, path: Path, include: Sequence[str]) -> Listing:
        root = self._allowed(path)
        if root.is_file():
            if include:
                raise InvalidRequest.at("/include", "this is one file: there is nothing to choose from")
            found, name = [(root.name, root)], root.stem
        else:
            there = dict(self._files(root))
            found, name = [(it, there[it]) for it in chosen(there, include)], root.name
            if not found:
                raise NotFound(detail=f"No file there is wanted; there is {', '.join(list(there)[:8]) or 'none'}.")
        files = tuple(_file(relative, it) for relative, it in found)
        return Listing(name=name, pinned=f"file://{root}", files=files)

    def _files(self, root: Path) -> Iterator[tuple[str, Path]]:
        for path in sorted(root.rglob("*")):
            real = path.resolve()
            if real.is_file() and any(real.is_relative_to(it.resolve()) for it in self.roots):
                yield path.relative_to(root).as_posix(), real

    def _allowed(self, path: Path) -> Path:
        """Where the path leads to.

        Raises:
            SourceForbidden: out of the folders; whether something is there is not said.
            NotFound: to nothing; names it as it was asked for.
        """
        real = path.resolve()
        if not any(real.is_relative_to(root.resolve()) for root in self.roots):
            raise SourceForbidden(
                detail="Models may not be taken from there: name the folder in downloads.file_folders."
            )
        if not real.exists():
            raise NotFound(detail=f"There is no file or folder {shown(str(path))!r}.")
        return real


def _opened(path: Path, held: ExitStack) -> int:
    """An open file, which is closed with `held`.

    Raises:
        NotFound: it cannot be opened.
    """
    try:
        source = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as exc:
        raise NotFound(detail="The file is not there any more, or cannot be read.") from exc
    held.callback(os.close, source)
    return source


def _path(reference: str) -> Path:
    url = urlsplit(f"file:{reference}")
    path = unquote(url.path)
    if url.netloc not in ("", "localhost") or not path.startswith("/") or "\0" in path or url.query or url.fragment:
        raise InvalidRequest.at("/source", "must be like file:///folder/model.gguf")
    return Path(path)


def _file(name: str, path: Path) -> DownloadFile:
    found = path.stat()
    return DownloadFile(name=name, size_bytes=found.st_size, address=str(path), tag=_tag(found))


def _tag(found: os.stat_result) -> str:
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}-{stat.S_IFMT(found.st_mode)}"


async def _pieces(source: int, at: int, stop: int) -> AsyncIterator[Chunk]:
    while at < stop:
        try:
            piece = await in_thread(os.pread, source, min(_PIECE_BYTES, stop - at), at)
        except OSError as exc:
            raise SourceUnreachable(detail="The file cannot be read.") from exc
        if not piece:
            return
        yield piece
        at += len(piece)
