"""The files that a request shows: kept ones, those inside the request, and those on servers that it names."""

import binascii
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from attrs import define

from ..domain.access import Principal
from ..domain.artifact import PICTURES, require_picture
from ..domain.errors import ArtifactTooLarge, PictureInvalid, UrlNotAllowed
from ..domain.generation import ArtifactPart, ImagePart, InputFile
from .artifact_ports import Egress, Pictures, Workspaces
from .artifacts import Artifacts

_PIECE = 2**18  # characters of base64 that are decoded at once; a multiple of four


@define(kw_only=True)
class InputFiles:
    """Brings what a part of a message shows to this machine. Pictures are looked at before an engine decodes them."""

    artifacts: Artifacts
    workspaces: Workspaces
    pictures: Pictures
    egress: Egress
    limit_bytes: int

    @asynccontextmanager
    async def open(self, part: ArtifactPart | ImagePart, principal: Principal) -> AsyncIterator[InputFile]:
        """The file, for as long as the context lasts.

        Raises:
            NotFound: the principal has no such artifact.
            UrlNotAllowed, UrlUnavailable: as they say.
            UnsupportedMediaType, PictureInvalid, ArtifactTooLarge: it is no picture that is accepted.
            InsufficientStorage, StoreUnavailable: as they say.
        """
        async with self.workspaces.open() as folder:
            path = folder / "input"
            if isinstance(part, ArtifactPart):
                yield await self._kept(part, principal, path)
            elif part.url.startswith("data:"):
                yield await self._from_data(part.url, path)
            else:
                yield await self._fetched(part.url, path)

    async def _kept(self, part: ArtifactPart, principal: Principal, path: Path) -> InputFile:
        artifact = await self.artifacts.get(part.artifact_id, principal)
        await self.artifacts.files.copy(artifact.content, path)
        if artifact.media_type in PICTURES:
            await self.pictures.examine(path)
        return InputFile(path=str(path), media_type=artifact.media_type, use=part.use)

    async def _from_data(self, url: str, path: Path) -> InputFile:
        head, comma, encoded = url.partition(",")
        media_type, semicolon, encoding = head.removeprefix("data:").rpartition(";")
        if not (comma and semicolon and encoding.lower() == "base64"):
            raise UrlNotAllowed(detail="A `data:` URL must be data:<media type>;base64,<data>.")
        require_picture(media_type)
        if len(encoded) // 4 * 3 > self.limit_bytes + 2:
            raise ArtifactTooLarge(detail=f"A picture may have {self.limit_bytes} bytes at most.")
        await self.workspaces.write(_decoded(encoded), path, self.limit_bytes)
        return await self._picture(path)

    async def _fetched(self, url: str, path: Path) -> InputFile:
        await self.egress.fetch(url, path, self.limit_bytes)
        return await self._picture(path)

    async def _picture(self, path: Path) -> InputFile:
        """A picture that counts as what it is, whatever it was said to be."""
        return InputFile(path=str(path), media_type=(await self.pictures.examine(path)).media_type)


async def _decoded(encoded: str) -> AsyncIterator[bytes]:
    for begin in range(0, len(encoded), _PIECE):
        try:
            yield binascii.a2b_base64(encoded[begin : begin + _PIECE], strict_mode=True)
        except ValueError as error:
            raise PictureInvalid(detail="The data of the URL is not base64.") from error
