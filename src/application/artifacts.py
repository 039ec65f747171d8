"""Keep files: those that were generated and those that clients upload, until they are deleted or their time is over.

A content is stored once, however many artifacts have it. It is stored before the artifact is added, and removed after
the last one that has it; both look again while nobody else can. Whatever is cut short leaves a content that no artifact
has, never the reverse, and `cleanup` finds it.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable
from datetime import timedelta
from pathlib import Path

from attrs import define, evolve, frozen

from ..domain.access import Principal
from ..domain.artifact import Artifact, Content, Origin, plain_media_type, require_picture
from ..domain.errors import GatewayError, NotFound, PictureInvalid
from ..domain.generation import InputFile, OutputFile
from .artifact_ports import ArtifactFiles, ArtifactIndex, Picture, Pictures, Workspaces
from .ports import Clock, IdFactory

BATCH = 100


@frozen(kw_only=True)
class Forgotten:
    """What became of artifacts that were to be deleted; the content of those that are `left` may still be there."""

    deleted: int
    left: int


@define(kw_only=True)
class Artifacts:
    """The life of artifacts. Whoever does not own one does not learn that it exists.

    `keep_for` is how long they are kept, or None for ever; `input_limit_bytes` is the size of the largest upload.
    """

    files: ArtifactFiles
    index: ArtifactIndex
    workspaces: Workspaces
    pictures: Pictures
    clock: Clock
    new_id: IdFactory
    keep_for: timedelta | None
    input_limit_bytes: int

    async def keep(
        self,
        file: OutputFile,
        principal: Principal,
        *,
        session_id: str | None = None,
        generation_id: str | None = None,
    ) -> Artifact:
        """Keep a file that a generator made. It is copied: its workspace may go.

        Raises:
            InsufficientStorage, StoreUnavailable: as they say.
            GatewayError: it is no file.
        """
        path = Path(file.path)
        return await self._keep(
            path,
            Artifact(
                id=self.new_id("art"),
                owner=principal.id,
                media_type=plain_media_type(file.media_type),
                content=await self.workspaces.content(path),
                origin=Origin.GENERATED,
                created_at=self.clock(),
                session_id=session_id,
                generation_id=generation_id,
                facts=file.facts,
            ),
        )

    async def upload(self, chunks: AsyncIterable[bytes], media_type: str, principal: Principal) -> Artifact:
        """Keep a picture that a client sends, to be an input.

        Raises:
            UnsupportedMediaType: it is said to be something that is no input; nothing of `chunks` is read.
            ArtifactTooLarge, PictureInvalid: as they say; nothing is kept.
            InsufficientStorage, StoreUnavailable: as they say.
        """
        plain = require_picture(media_type)
        async with self.workspaces.open() as folder:
            path = folder / "upload"
            await self.workspaces.write(chunks, path, self.input_limit_bytes)
            picture = await self.pictures.examine(path)
            if picture.media_type != plain:
                raise PictureInvalid(detail=f"The file is {picture.media_type}, not {plain}, as it is said to be.")
            return await self._keep_picture(path, picture, principal)

    async def take_in(self, file: InputFile, principal: Principal, *, session_id: str | None = None) -> Artifact:
        """Keep a picture that a request shows by its URL. It is copied.

        Raises:
            ArtifactTooLarge, PictureInvalid: as they say; nothing is kept.
            InsufficientStorage, StoreUnavailable: as they say.
        """
        path = Path(file.path)
        return await self._keep_picture(path, await self.pictures.examine(path), principal, session_id=session_id)

    async def get(self, artifact_id: str, principal: Principal) -> Artifact:
        """An artifact.

        Raises:
            NotFound: there is none, its time is over, or it is somebody else's.
        """
        artifact = await self.index.get(artifact_id)
        if artifact is None or artifact.owner != principal.id or not artifact.is_kept(self.clock()):
            raise NotFound.of("artifact", artifact_id)
        return artifact

    def read(self, artifact: Artifact, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Yield `length` bytes of its content from `start` on, in pieces.

        Raises:
            NotFound: it was deleted; before the first piece.
        """
        return self.files.read(artifact.content, start, length)

    async def delete(self, artifact_id: str, principal: Principal) -> None:
        """Delete an artifact, and its content if no other one has it.

        Raises:
            NotFound: there is none, its time is over, or it is somebody else's.
        """
        await self._remove(await self.get(artifact_id, principal))

    async def forget_session(self, session_id: str) -> Forgotten:
        """Delete all artifacts of a session that is erased, as far as it can be done now."""
        return await self.discard(await self.index.of_session(session_id))

    async def discard(self, artifacts: Iterable[Artifact]) -> Forgotten:
        """Delete artifacts, whosever they are, as far as it can be done now."""
        deleted = left = 0
        for artifact in artifacts:
            try:
                await self._remove(artifact)
                deleted += 1
            except GatewayError:  # counted; the rest is deleted all the same
                left += 1
        return Forgotten(deleted=deleted, left=left)

    async def cleanup(self) -> int:
        """Delete the artifacts whose time is over, and the contents that nobody needs.

        Returns:
            How many artifacts there were.
        """
        deleted = 0
        while due := await self.index.due(self.clock(), BATCH):
            for artifact in due:
                await self._remove(artifact)
            deleted += len(due)
        for content in await self.index.unneeded():
            async with self.index.exclusively(content):
                await self._drop_unneeded(content)
        return deleted

    async def _keep_picture(
        self, path: Path, picture: Picture, principal: Principal, *, session_id: str | None = None
    ) -> Artifact:
        artifact = Artifact(
            id=self.new_id("art"),
            owner=principal.id,
            media_type=picture.media_type,
            content=await self.workspaces.content(path),
            origin=Origin.UPLOADED,
            created_at=self.clock(),
            session_id=session_id,
            facts={"width": picture.width, "height": picture.height},
        )
        return await self._keep(path, artifact)

    async def _keep(self, path: Path, artifact: Artifact) -> Artifact:
        kept_until = artifact.created_at + self.keep_for if self.keep_for is not None else None
        artifact = evolve(artifact, kept_until=kept_until)
        await self.index.expect(artifact.content)
        await self.files.put(path, artifact.content)
        async with self.index.exclusively(artifact.content):
            if not await self.files.has(artifact.content):  # the last artifact that had it was deleted meanwhile
                await self.files.put(path, artifact.content)
            await self.index.add(artifact)
        return artifact

    async def _remove(self, artifact: Artifact) -> None:
        async with self.index.exclusively(artifact.content):
            await self.index.delete(artifact.id)
            await self._drop_unneeded(artifact.content)

    async def _drop_unneeded(self, content: Content) -> None:
        if not await self.index.is_needed(content):
            await self.files.delete(content)
            await self.index.forget(content)
