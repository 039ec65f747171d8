"""Files on their way into generators, and out of them."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from pathlib import Path

from attrs import define, evolve, field

from ..domain.access import Principal
from ..domain.artifact import Artifact, Delivery
from ..domain.errors import NotFound
from ..domain.generation import (
    ArtifactPart,
    Completed,
    FileDelivery,
    GenerationRequest,
    ImagePart,
    Message,
    Part,
)
from ..domain.model import Modality
from .artifact_links import ArtifactLinks, Inline
from .artifact_ports import Workspaces
from .artifacts import Artifacts
from .input_files import InputFiles
from .turns import to_its_end


@define
class TakenIn:
    """What a request shows: its messages as they are stored, and the files that were kept for it."""

    messages: tuple[Message, ...]
    kept: list[Artifact] = field(factory=list)
    named_by_a_turn: bool = False


@define(kw_only=True)
class Media:
    """What generations do with files."""

    artifacts: Artifacts
    links: ArtifactLinks
    inputs: InputFiles
    workspaces: Workspaces

    def taken_in(
        self, messages: tuple[Message, ...], modality: Modality, principal: Principal, session_id: str | None
    ) -> AbstractAsyncContextManager["TakenIn"]:
        """The messages as they are stored: what is known of each file that they name stands in them.

        For models that make pictures or meshes, pictures that they show by a URL are kept, so that the session has them
        for good; unless a turn has come to name them, they are deleted when the context is left. Text models are shown
        the URL itself.

        Raises:
            NotFound, UrlNotAllowed, UrlUnavailable: as they say.
            UnsupportedMediaType, PictureInvalid, ArtifactTooLarge: it is no picture that is accepted.
        """
        if any(isinstance(part, ImagePart | ArtifactPart) for message in messages for part in message.parts):
            return self._with_files(messages, modality, principal, session_id)
        return nullcontext(TakenIn(messages))

    @asynccontextmanager
    async def _with_files(
        self, messages: tuple[Message, ...], modality: Modality, principal: Principal, session_id: str | None
    ) -> AsyncIterator[TakenIn]:
        taken = TakenIn(messages)
        try:
            taken.messages = tuple(
                [await self._taken_in(it, modality, principal, session_id, taken.kept) for it in messages]
            )
            yield taken
        finally:
            if taken.kept and not taken.named_by_a_turn:
                await self.discard(taken.kept)

    @asynccontextmanager
    async def at_work(
        self, request: GenerationRequest, pictures: Sequence[ArtifactPart], principal: Principal
    ) -> AsyncIterator[GenerationRequest]:
        """The request with its files on this machine, and a workspace, until the context is left."""
        async with AsyncExitStack() as stack:
            files = [await stack.enter_async_context(self.inputs.open(it, principal)) for it in pictures]
            workspace = await stack.enter_async_context(self.workspaces.open())
            yield evolve(request, files=tuple(files), workspace=str(workspace))

    async def keep(
        self, result: Completed, principal: Principal, *, session_id: str | None, generation_id: str
    ) -> tuple[Artifact, ...]:
        """Keep the files of a result: all of them or, if one cannot be kept or the caller is cancelled, none."""
        kept: list[Artifact] = []

        async def keep_each() -> None:
            for file in result.files:
                kept.append(
                    await self.artifacts.keep(file, principal, session_id=session_id, generation_id=generation_id)
                )

        try:
            await to_its_end(keep_each())
        except BaseException:
            await self.discard(kept)
            raise
        return tuple(kept)

    async def discard(self, kept: Sequence[Artifact]) -> None:
        """Delete what was kept for an answer that there is not, as far as it can be done now."""
        await to_its_end(self.artifacts.discard(kept))

    async def kept(self, result: Completed, principal: Principal) -> tuple[Artifact, ...]:
        """The files that a stored result has, but for those that have been deleted since."""
        kept = []
        for part in result.output:
            if isinstance(part, ArtifactPart):
                with suppress(NotFound):
                    kept.append(await self.artifacts.get(part.artifact_id, principal))
        return tuple(kept)

    async def delivered(self, kept: Sequence[Artifact], delivery: Delivery) -> tuple[FileDelivery, ...]:
        """How the client gets each file."""
        return tuple([await self._delivered(artifact, delivery) for artifact in kept])

    async def shown(self, messages: Sequence[Message], principal: Principal) -> tuple[Message, ...]:
        """The messages for a model that sees, with the kept pictures in them as `data:` URLs."""
        return tuple([await self._shown(message, principal) for message in messages])

    async def _taken_in(
        self,
        message: Message,
        modality: Modality,
        principal: Principal,
        session_id: str | None,
        kept: list[Artifact],
    ) -> Message:
        parts = [await self._known(part, modality, principal, session_id, kept) for part in message.parts]
        return evolve(message, parts=tuple(parts))

    async def _known(
        self, part: Part, modality: Modality, principal: Principal, session_id: str | None, kept: list[Artifact]
    ) -> Part:
        match part:
            case ImagePart() if modality is not Modality.TEXT:
                async with self.inputs.open(part, principal) as file:

                    async def take_in() -> None:
                        kept.append(await self.artifacts.take_in(file, principal, session_id=session_id))

                    await to_its_end(take_in())
                return kept[-1].as_part()
            case ArtifactPart():
                return (await self.artifacts.get(part.artifact_id, principal)).as_part(part.use)
            case _:
                return part

    async def _delivered(self, artifact: Artifact, delivery: Delivery) -> FileDelivery:
        part, given = artifact.as_part(), await self.links.deliver(artifact, delivery)
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
            content = await asyncio.to_thread(_base64_of, Path(file.path))
        return ImagePart(f"data:{file.media_type};base64,{content}")


def _base64_of(path: Path) -> str:
    return b64encode(path.read_bytes()).decode()
