"""Files on their way into generators, and out of them."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from attrs import define, evolve

from ..domain.access import Principal
from ..domain.artifact import Delivery
from ..domain.errors import NotFound
from ..domain.generation import (
    ArtifactPart,
    Completed,
    FileDelivery,
    GenerationRequest,
    ImagePart,
    Message,
    OutputFile,
    Part,
)
from ..domain.model import Modality
from .artifact_links import ArtifactLinks, Inline
from .artifact_ports import Workspaces
from .artifacts import Artifacts
from .input_files import InputFiles


@define(kw_only=True)
class Media:
    """What generations do with files."""

    artifacts: Artifacts
    links: ArtifactLinks
    inputs: InputFiles
    workspaces: Workspaces

    async def taken_in(
        self, messages: Sequence[Message], modality: Modality, principal: Principal, session_id: str | None
    ) -> tuple[Message, ...]:
        """The messages as they are stored: what is known of each file that they name stands in them.

        For models that make pictures or meshes, pictures that they show by a URL are kept, so that the session has them
        for good; text models are shown the URL itself.

        Raises:
            NotFound, UrlNotAllowed, UrlUnavailable: as they say.
            UnsupportedMediaType, PictureInvalid, ArtifactTooLarge: it is no picture that is accepted.
        """
        return tuple([await self._taken_in(message, modality, principal, session_id) for message in messages])

    @asynccontextmanager
    async def at_work(
        self, request: GenerationRequest, pictures: Sequence[ArtifactPart], principal: Principal
    ) -> AsyncIterator[GenerationRequest]:
        """The request with its files on this machine, and a workspace, until the context is left."""
        async with AsyncExitStack() as stack:
            files = [await stack.enter_async_context(self.inputs.open(it, principal)) for it in pictures]
            workspace = await stack.enter_async_context(self.workspaces.open())
            yield evolve(request, files=tuple(files), workspace=str(workspace))

    async def kept(
        self, result: Completed, principal: Principal, *, session_id: str | None, generation_id: str
    ) -> Completed:
        """The result with its files kept, as parts of its output."""
        parts = [await self._kept(file, principal, session_id, generation_id) for file in result.files]
        return evolve(result, output=(*result.output, *parts), files=())

    async def delivered(self, result: Completed, principal: Principal, delivery: Delivery) -> tuple[FileDelivery, ...]:
        """How the client gets each file of a result, in their order; but for those that have been deleted since."""
        files = []
        for part in result.output:
            if isinstance(part, ArtifactPart):
                with suppress(NotFound):
                    files.append(await self._delivered(part, principal, delivery))
        return tuple(files)

    async def shown(self, messages: Sequence[Message], principal: Principal) -> tuple[Message, ...]:
        """The messages for a model that sees, with the kept pictures in them as `data:` URLs."""
        return tuple([await self._shown(message, principal) for message in messages])

    async def _taken_in(
        self, message: Message, modality: Modality, principal: Principal, session_id: str | None
    ) -> Message:
        if not any(isinstance(part, ImagePart | ArtifactPart) for part in message.parts):
            return message
        parts = [await self._known(part, modality, principal, session_id) for part in message.parts]
        return evolve(message, parts=tuple(parts))

    async def _known(self, part: Part, modality: Modality, principal: Principal, session_id: str | None) -> Part:
        match part:
            case ImagePart() if modality is not Modality.TEXT:
                async with self.inputs.open(part, principal) as file:
                    return (await self.artifacts.take_in(file, principal, session_id=session_id)).as_part()
            case ArtifactPart():
                return (await self.artifacts.get(part.artifact_id, principal)).as_part(part.use)
            case _:
                return part

    async def _kept(
        self, file: OutputFile, principal: Principal, session_id: str | None, generation_id: str
    ) -> ArtifactPart:
        kept = await self.artifacts.keep(file, principal, session_id=session_id, generation_id=generation_id)
        return kept.as_part()

    async def _delivered(self, part: ArtifactPart, principal: Principal, delivery: Delivery) -> FileDelivery:
        artifact = await self.artifacts.get(part.artifact_id, principal)
        given = await self.links.deliver(artifact, delivery)
        if isinstance(given, Inline):
            return FileDelivery(part=part, facts=artifact.facts, data=given.data)
        return FileDelivery(part=part, facts=artifact.facts, url=given.url, expires_at=given.expires_at)

    async def _shown(self, message: Message, principal: Principal) -> Message:
        if not any(isinstance(part, ArtifactPart) for part in message.parts):
            return message
        parts = [
            await self._as_url(part, principal) if isinstance(part, ArtifactPart) else part
            for part in message.parts  # those that are no pictures were told in words
        ]
        return evolve(message, parts=tuple(parts))

    async def _as_url(self, part: ArtifactPart, principal: Principal) -> ImagePart:
        async with self.inputs.open(part, principal) as file:
            content = await asyncio.to_thread(Path(file.path).read_bytes)
        return ImagePart(f"data:{file.media_type};base64,{b64encode(content).decode()}")
