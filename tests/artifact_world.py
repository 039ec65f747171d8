"""The use cases of artifacts over contents in memory; `now` is the time."""

import itertools
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

from pluggably.adapters.artifacts.pictures import HeaderPictures
from pluggably.adapters.artifacts.workspaces import LocalWorkspaces
from pluggably.adapters.memory.artifacts import MemoryArtifactFiles, MemoryArtifactIndex, MemoryEgress
from pluggably.adapters.memory.jobs import MemoryJobStore
from pluggably.adapters.system import IdSequence
from pluggably.application.artifact_links import ArtifactLinks
from pluggably.application.artifacts import Artifacts
from pluggably.application.erasure import Eraser
from pluggably.application.input_files import InputFiles
from pluggably.application.media import Media
from pluggably.domain.access import Principal
from pluggably.domain.generation import OutputFile
from pluggably.domain.signed_url import UrlKey
from tests.pictures import encoded
from tests.session_builders import NOON

ALICE, BOB = (Principal(id=name, method="api_key") for name in ("alice", "bob"))
PNG, JPEG = encoded("PNG"), encoded("JPEG")
LIMIT = 100_000
URL = "https://pictures.test/a"
_NUMBERS = itertools.count()


class ArtifactWorld:
    """The use cases; `now` is the time."""

    def __init__(self, folder, index=None, keep_for=None) -> None:
        self.now, self.folder = NOON, folder
        self.files, self.index = MemoryArtifactFiles(), index or MemoryArtifactIndex()
        self.workspaces, self.pictures = LocalWorkspaces(folder / "work"), HeaderPictures(10_000)
        self.egress = MemoryEgress({URL: JPEG, f"{URL}/page": b"<html>"})
        self.artifacts = Artifacts(
            files=self.files,
            index=self.index,
            workspaces=self.workspaces,
            pictures=self.pictures,
            clock=lambda: self.now,
            new_id=IdSequence(),
            keep_for=keep_for,
            input_limit_bytes=LIMIT,
        )
        self.links = ArtifactLinks(
            files=self.files,
            index=self.index,
            keys=[UrlKey("0000000a", b"k" * 32)],
            clock=lambda: self.now,
            ttl=timedelta(hours=1),
            threshold_bytes=10,
        )
        self.inputs = InputFiles(
            artifacts=self.artifacts,
            workspaces=self.workspaces,
            pictures=self.pictures,
            egress=self.egress,
            limit_bytes=LIMIT,
        )

    @property
    def media(self) -> Media:
        """What generations do with these."""
        return Media(artifacts=self.artifacts, links=self.links, inputs=self.inputs, workspaces=self.workspaces)

    async def keep(self, data: bytes = b"mesh", principal=ALICE, media_type="model/gltf-binary", **facts):
        path = self.folder / f"made{next(_NUMBERS)}"
        path.write_bytes(data)
        return await self.artifacts.keep(OutputFile(path=str(path), media_type=media_type), principal, **facts)

    async def upload(self, data: bytes = PNG, media_type: str = "image/png", principal=ALICE):
        async def chunks():
            for begin in range(0, len(data), 100):
                yield data[begin : begin + 100]

        return await self.artifacts.upload(chunks(), media_type, principal)

    async def content(self, artifact) -> bytes:
        async with aclosing(self.artifacts.read(artifact, 0, artifact.content.size_bytes)) as pieces:
            return b"".join([piece async for piece in pieces])

    def left_in_work(self) -> list:
        return list((self.folder / "work").iterdir())

    async def close(self) -> None:
        for it in (self.workspaces, self.pictures):
            await it.close()


def an_eraser(store, generators=None) -> Eraser:
    """What erases sessions of the store, of which no files and no jobs are kept."""
    artifacts = ArtifactWorld(Path("nowhere")).artifacts
    return Eraser(store=store, artifacts=artifacts, jobs=MemoryJobStore(), generators=generators or {})
