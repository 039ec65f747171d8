"""Pictures from a server of OpenAI's image API.

https://platform.openai.com/docs/api-reference/images, as of November 2026: `/images/generations`, and
`/images/edits` where the request shows pictures; LocalAI, vLLM-Omni and this gateway itself speak it too. Previews are
the partial images of a stream, which are as large as the picture; only with those is a request streamed.

Where a server says how it changed the prompt (`revised_prompt`), that is the text of the output. Not passed on:
quality, background, moderation, compression, GIF and SVG.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from ....domain.artifact import PICTURES
from ....domain.errors import InvalidRequest
from ....domain.generation import (
    Completed,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    InputFile,
    Progress,
    Started,
    TextDelta,
    TextPart,
)
from ....domain.parameters import ImageParameters
from ...workspace import in_thread
from ..media_request import folder_of, prompt_of
from ..pictures.files import BASE64_LIMIT_BYTES, picture_in
from ..result_urls import ResultUrls
from ..transport.event_stream import EventStream
from ..transport.exchange import expect_events, fed
from ..transport.form import Form, FormFile
from ..transport.reply import Reply
from ..transport.statuses import expect_success
from ..transport.upstream import Upstream
from .errors import ERRORS, to_error
from .image_kinds import ImageKind
from .images_wire import (
    STEPS,
    WireUsage,
    count_of,
    counted,
    form_values,
    previews_of,
    to_fields,
)
from .masks import make_transparent
from .pictures import StreamedPictures, unpacked

_BESIDES_BYTES: Final = 2**20
"""What an answer may have besides its pictures."""


class OpenAIImages:
    """The pictures of one server."""

    def __init__(
        self,
        upstream: Upstream,
        urls: ResultUrls,
        kind: Callable[[str], ImageKind],
        names: Mapping[str, str],
    ) -> None:
        """Nothing is connected to before it is asked for.

        Args:
            upstream: the server.
            urls: the way to pictures that it only names.
            kind: what the model takes that has a name there.
            names: what the server calls parameters.
        """
        self._upstream, self._limits, self._urls = upstream, upstream.limits, urls
        self._kind, self._names = kind, names
        self._generations, self._edits = upstream.at("/images/generations"), upstream.at("/images/edits")

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the server; it streams only if there are previews to come."""
        return self._streamed(request) if previews_of(request) else self._whole(request)

    async def _whole(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        folder = folder_of(request)
        yield Started()
        reply, body = await self._post(request, folder), folder / "answer"
        try:
            await expect_success(reply, self._limits.idle_s, to_error)
            limit_bytes = count_of(request) * BASE64_LIMIT_BYTES + _BESIDES_BYTES
            await reply.save(body, limit_bytes=limit_bytes, timeout_s=self._limits.first_byte_s)
        finally:
            await reply.close()
        answer = await in_thread(unpacked, body, folder, request)
        for path, url in answer.urls.items():
            await self._urls.fetch(url, path)
        result = await self._completed(request, folder, answer.usage, answer.revised_prompt)
        if answer.revised_prompt:
            yield TextDelta(answer.revised_prompt)
        yield result

    async def _streamed(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        folder = folder_of(request)
        yield Started()
        reply = await self._post(request, folder)
        try:
            await expect_success(reply, self._limits.idle_s, to_error)
            await expect_events(reply, ERRORS, self._limits.idle_s)
            pictures, events = StreamedPictures(request, folder), EventStream(BASE64_LIMIT_BYTES + _BESIDES_BYTES)
            while not pictures.done and (piece := await reply.piece(self._limits.first_byte_s)):
                for payload in fed(events, piece, reply.provider):
                    if progress := await in_thread(pictures.take, payload):
                        yield progress
            pictures.expect_done()
            await reply.settle()
        finally:
            await reply.close()
        yield Progress(STEPS, STEPS)
        yield await self._completed(request, folder, pictures.usage)

    async def _post(self, request: GenerationRequest, folder: Path) -> Reply:
        kind = self._kind(request.model.upstream)
        fields = to_fields(request, kind, self._names)
        if not request.files:
            return await self._upstream.post(self._generations, msgspec.json.encode(fields))
        files, mask = form_files(request.files, kind), folder / "mask"
        try:
            for file in request.files:
                if file.use == "mask":
                    await make_transparent(Path(file.path), mask)
                    files.append(FormFile(field="mask", path=mask, filename="mask.png", media_type="image/png"))
            form = await in_thread(Form, form_values(fields), files)
            return await self._upstream.post(self._edits, form)
        finally:
            await in_thread(partial(mask.unlink, missing_ok=True))

    async def _completed(
        self, request: GenerationRequest, folder: Path, usage: WireUsage | None, said: str = ""
    ) -> Completed:
        parameters, provider = request.parameters_as(ImageParameters), self._upstream.provider
        paths = [folder / str(number) for number in range(count_of(request))]
        files = [await in_thread(picture_in, path, parameters.format, provider) for path in paths]
        return Completed(
            output=(TextPart(said),) if said else (),
            finish_reason=FinishReason.STOP,
            usage=counted(usage, prompt_of(request)),
            seed=parameters.seed,
            files=tuple(files),
        )


def form_files(files: Sequence[InputFile], kind: ImageKind) -> list[FormFile]:
    """The pictures of a request, without a mask, as OpenAI's own clients send them.

    Raises:
        InvalidRequest: there are more than the model begins with, or a mask that it does not take.
    """
    pictures, masks = ([file for file in files if file.use == use] for use in ("image", "mask"))
    if masks and not kind.masks:
        raise InvalidRequest.at("/input", "this model takes no mask", ("image",))
    if len(masks) > 1 or not pictures:
        raise InvalidRequest.at("/input", "must show a picture, and one mask for it at most")
    if len(pictures) > kind.most_inputs:
        raise InvalidRequest.at("/input", f"this model begins with {kind.most_inputs} pictures at most")
    return [
        FormFile(
            field="image" if len(pictures) == 1 else "image[]",
            path=Path(file.path),
            filename=f"{number}.{PICTURES[file.media_type]}",
            media_type=file.media_type,
        )
        for number, file in enumerate(pictures)
    ]
