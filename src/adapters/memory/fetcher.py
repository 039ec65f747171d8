"""Fetches models that it holds in memory, in pieces: for tests, and to develop against."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from attrs import define

from ...application.ports import FetchProgress
from ...domain.errors import InvalidRequest, NotFound

PIECE_BYTES = 4_096


@define
class MemoryFetcher:
    """A `ModelFetcher`: `shelf` has the content of each file by its reference, which is the file's name in `folder`."""

    folder: Path
    shelf: Mapping[str, bytes]
    scheme: str = "memory"

    async def fetch(self, reference: str) -> AsyncIterator[FetchProgress]:
        """Write the file piece by piece, under a name that nobody takes for a model's until it is whole."""
        if not reference or "/" in reference:
            raise InvalidRequest.at("/source", f"after `{self.scheme}:` there must be a file's name")
        if (content := self.shelf.get(reference)) is None:
            raise NotFound.of("file", reference)
        self.folder.mkdir(parents=True, exist_ok=True)
        final, partial = self.folder / reference, self.folder / f".{reference}.part"
        if not final.exists():
            try:
                for begin in range(0, len(content), PIECE_BYTES):
                    with partial.open("ab") as file:
                        file.write(content[begin : begin + PIECE_BYTES])
                    yield FetchProgress(status="downloading", bytes_done=begin, bytes_total=len(content))
                    await asyncio.sleep(0)
                partial.rename(final)
            finally:
                partial.unlink(missing_ok=True)
        yield FetchProgress(status="complete", bytes_done=len(content), bytes_total=len(content))
