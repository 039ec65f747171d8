"""Files on their way into generators, and out of them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from attrs import define, evolve

from ..domain.access import Principal
from ..domain.generation import (
    ArtifactPart,
    Completed,
    FileDelivery,
    GenerationRequest,
    ImagePart,
    InputFile,
    Message,
    OutputFile,
    Part,
)
from ..domain.model import Modality
from .command import Delivery


class Workspaces(Protocol):
    """Places for the files of one generation."""

    def open(self) -> AbstractAsyncContextManager[str]:
        """A new folder, removed with all that is in it when the context is left."""
        ...


class Attachments(Protocol):
    """The files that the gateway keeps for its principals."""

    def input_file(self, part: ArtifactPart, owner: str) -> AbstractAsyncContextManager[InputFile]:
        """A file that a generator can read while the context lasts.

        Raises:
            NotFound: there is none, or it is somebody else's.
        """
        ...

    async def take_in(self, picture: ImagePart, owner: str, session_id: str | None) -> ArtifactPart:
        """Keep a picture that a request shows by its URL.

        Raises:
            InvalidRequest: it cannot be had, or is none that is allowed.
        """
        ...

    async def show(self, part: ArtifactPart, owner: str) -> ImagePart:
        """A picture that is kept, as a `data:` URL; raises as `input_file`, and InvalidRequest for one too large."""
        ...

    async def known(self, part: ArtifactPart, owner: str) -> ArtifactPart:
        """What is known of a file that a request names by its id alone; raises as `input_file`."""
        ...

    async def keep(self, file: OutputFile, owner: str, *, session_id: str | None, generation_id: str) -> ArtifactPart:
        """Keep a file that was made."""
        ...

    async def deliver(self, part: ArtifactPart, owner: str, delivery: Delivery) -> FileDelivery:
        """How the client gets a file that is kept."""
        ...


@define(kw_only=True)
class Media:
    """What generations do with files."""

    attachments: Attachments
    workspaces: Workspaces

    async def taken_in(
        self, messages: Sequence[Message], modality: Modality, principal: Principal, session_id: str | None
    ) -> tuple[Message, ...]:
        """The messages as they are stored: what is known of each file that they name stands in them.

        For models that make pictures or meshes, pictures that they show by a URL are kept, so that the session has them
        for good; text models are shown the URL itself.
        """
        return tuple([await self._taken_in(message, modality, principal.id, session_id) for message in messages])

    @asynccontextmanager
    async def at_work(
        self, request: GenerationRequest, pictures: Sequence[ArtifactPart], owner: str
    ) -> AsyncIterator[GenerationRequest]:
        """The request with its files on this machine, and a workspace, until the context is left."""
        async with AsyncExitStack() as stack:
            files = [await stack.enter_async_context(self.attachments.input_file(it, owner)) for it in pictures]
            workspace = await stack.enter_async_context(self.workspaces.open())
            yield evolve(request, files=tuple(files), workspace=workspace)

    async def kept(self, result: Completed, owner: str, *, session_id: str | None, generation_id: str) -> Completed:
        """The result with its files kept, as parts of its output."""
        parts = [
            await self.attachments.keep(file, owner, session_id=session_id, generation_id=generation_id)
            for file in result.files
        ]
        return evolve(result, output=(*result.output, *parts), files=())

    async def delivered(self, result: Completed, owner: str, delivery: Delivery) -> tuple[FileDelivery, ...]:
        """How the client gets each file of a result, in their order."""
        files = [part for part in result.output if isinstance(part, ArtifactPart)]
        return tuple([await self.attachments.deliver(it, owner, delivery) for it in files])

    async def shown(self, messages: Sequence[Message], owner: str) -> tuple[Message, ...]:
        """The messages for a model that sees, with the kept pictures in them as data URLs."""
        return tuple([await self._shown(message, owner) for message in messages])

    async def _shown(self, message: Message, owner: str) -> Message:
        if not any(isinstance(part, ArtifactPart) for part in message.parts):
            return message
        parts = [
            await self.attachments.show(part, owner) if isinstance(part, ArtifactPart) else part
            for part in message.parts
        ]
        return evolve(message, parts=tuple(parts))

    async def _taken_in(self, message: Message, modality: Modality, owner: str, session_id: str | None) -> Message:
        if not any(isinstance(part, ImagePart | ArtifactPart) for part in message.parts):
            return message
        parts = [await self._known(part, modality, owner, session_id) for part in message.parts]
        return evolve(message, parts=tuple(parts))

    async def _known(self, part: Part, modality: Modality, owner: str, session_id: str | None) -> Part:
        match part:
            case ImagePart() if modality is not Modality.TEXT:
                return await self.attachments.take_in(part, owner, session_id)
            case ArtifactPart():
                return await self.attachments.known(part, owner)
            case _:
                return part
