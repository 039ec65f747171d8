"""Pictures from a server of the Gemini API: the same `generateContent`, of models that answer with pictures.

What a model says beside its picture is the text of the output. A request may show pictures to begin with. Each picture
is asked for anew, from words and pictures: there is no state between two, and no mask. Gemini tells nothing while it
draws, so there is no progress.
"""

from base64 import b64encode
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from ....domain.errors import InvalidRequest, ProviderBadResponse
from ....domain.generation import (
    Completed,
    GenerationEvent,
    GenerationRequest,
    InputFile,
    OutputFile,
    Part,
    Started,
    TextDelta,
    TextPart,
)
from ....domain.parameters import ImageParameters
from ...disk_errors import disk_errors
from ...workspace import in_thread
from ..estimates import estimated
from ..media_request import folder_of
from ..pictures.files import BASE64_LIMIT_BYTES, mapped, picture_in, write_base64
from ..transport.statuses import expect_success
from ..transport.upstream import Target, Upstream
from .answer_wire import WirePart, counted, read_answer, read_part
from .errors import to_error
from .finish_reasons import finish_reason_of
from .image_kinds import size_in
from .request_wire import expect_seed

MOST_PICTURES: Final = 8
"""More than any model is known to answer with; what an answer may have in bytes follows from it."""

_QUOTE: Final = ord('"')


class GeminiImages:
    """The pictures of one server."""

    def __init__(self, upstream: Upstream, url: Callable[[str], Target]) -> None:
        """`url` is where a model is asked, by its name."""
        self._upstream, self._url = upstream, url

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the server, and write its pictures into the workspace."""
        folder, limits = folder_of(request), self._upstream.limits
        body = folder / "answer"
        yield Started()
        reply = await self._upstream.post(self._url(request.model.upstream), await in_thread(to_wire, request))
        try:
            await expect_success(reply, limits.idle_s, to_error)
            limit_bytes = MOST_PICTURES * BASE64_LIMIT_BYTES
            await reply.save(body, limit_bytes=limit_bytes, timeout_s=limits.first_byte_s)
        finally:
            await reply.close()
        result = await in_thread(unpacked, body, folder, request)
        for part in result.output:
            if isinstance(part, TextPart):
                yield TextDelta(part.text)
        yield result


def to_wire(request: GenerationRequest) -> bytes:
    """The body for a picture. Reads the files that the request shows: for threads.

    Raises:
        InvalidRequest: Gemini has no such thing.
        GatewayError: a file could not be read.
    """
    parameters = request.parameters_as(ImageParameters)
    expect_seed(parameters.seed)
    config: dict[str, Any] = {"responseModalities": ["TEXT", "IMAGE"]}
    if parameters.seed is not None:
        config["seed"] = parameters.seed
    if size := size_in(parameters, request.model.upstream):
        config["imageConfig"] = size.as_wire()
    words = "\n".join(message.text for message in request.messages)
    parts = [*map(_shown, request.files), *([{"text": words}] if words else [])]
    return msgspec.json.encode({"contents": [{"role": "user", "parts": parts}], "generationConfig": config})


def unpacked(body: Path, folder: Path, request: GenerationRequest) -> Completed:
    """Write the pictures in an answer's body to the files `0`, `1` … of a folder, and remove the body. Blocks.

    Raises:
        ProviderBadResponse: it is no finished answer with a picture.
        GatewayError: it is an error, or the disk has one.
    """
    provider = request.model.provider
    answer = read_answer(mapped(body), request)
    candidate = next((it for it in answer.candidates if it.index == 0), None)
    raws = candidate.content.parts if candidate and candidate.content else []
    parts = [part for raw in raws if not (part := read_part(raw, provider)).thought]
    files = _written(parts, folder, provider)
    text = "".join(part.text for part in parts)
    if candidate is None or candidate.finish_reason is None:
        raise ProviderBadResponse(detail=f"Provider {provider!r} answered without a finished candidate.")
    finish_reason = finish_reason_of(candidate.finish_reason, request, said=bool(files))
    if not files:
        raise ProviderBadResponse(detail=f"Provider {provider!r} answered without a picture.")
    output: tuple[Part, ...] = (TextPart(text),) if text else ()
    return Completed(
        output=output,
        finish_reason=finish_reason,
        usage=counted(answer.usage_metadata) or estimated(request, output),
        seed=request.parameters.seed,
        resolved_model=answer.model_version,
        files=files,
    )


def _shown(file: InputFile) -> dict[str, Any]:
    if file.use == "mask":
        raise InvalidRequest.at("/input", "this model takes no mask", ("image",))
    with disk_errors():
        content = Path(file.path).read_bytes()
    return {"inlineData": {"mimeType": file.media_type, "data": b64encode(content).decode()}}


def _written(parts: list[WirePart], folder: Path, provider: str) -> tuple[OutputFile, ...]:
    files: list[OutputFile] = []
    for part in parts:
        if (blob := part.inline_data) is None:
            continue
        view, path = memoryview(blob.data), folder / str(len(files))
        if len(view) < len('""') or view[0] != _QUOTE:
            raise ProviderBadResponse(detail=f"Provider {provider!r} sent a picture that is not base64.")
        write_base64(view[1:-1], path, provider)
        files.append(picture_in(path, None, provider))
    return tuple(files)
