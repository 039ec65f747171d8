"""Pictures by Hugging Face's own inference (`hf-inference`), at its router.

https://huggingface.co/docs/inference-providers/tasks/text-to-image, as of November 2026: words and parameters in, the
picture out, written to disk as it comes. The format is the service's own choice.
"""

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import msgspec

from ....domain.errors import InvalidRequest
from ....domain.generation import Completed, FinishReason, GenerationEvent, GenerationRequest, Started
from ....domain.parameters import given
from ...workspace import in_thread
from ..estimates import estimated
from ..media_request import folder_of, words_of
from ..openai.errors import to_error
from ..pictures.files import PICTURE_LIMIT_BYTES, picture_in
from ..transport.statuses import expect_success
from ..transport.upstream import Upstream

PARAMETERS: Final[Mapping[str, str]] = {
    "width": "width",
    "height": "height",
    "steps": "num_inference_steps",
    "guidance_scale": "guidance_scale",
    "negative_prompt": "negative_prompt",
    "seed": "seed",
}
"""What Hugging Face calls our parameters."""

SUFFIX: Final = ":hf-inference"

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


def repository(name: str) -> str | None:
    """The repository that a model's name means, if this inference can be asked for it: it becomes a part of a URL."""
    plain = name.removesuffix(SUFFIX)
    return plain if _REPOSITORY.fullmatch(plain) and ".." not in plain else None


class HuggingFaceImages:
    """The pictures of `hf-inference`."""

    def __init__(self, upstream: Upstream) -> None:
        """`upstream` is the router, without the path of its chat completions."""
        self._upstream = upstream

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask for one picture."""
        path, limits, name = folder_of(request) / "0", self._upstream.limits, repository(request.model.upstream)
        if name is None:
            raise InvalidRequest.at("/model", "is not the name of a model")
        body = msgspec.json.encode(_body(request))
        yield Started()
        reply = await self._upstream.post(self._upstream.at(f"/hf-inference/models/{name}"), body)
        try:
            await expect_success(reply, limits.idle_s, to_error)
            await reply.save(path, limit_bytes=PICTURE_LIMIT_BYTES, timeout_s=limits.first_byte_s)
        finally:
            await reply.close()
        yield Completed(
            output=(),
            finish_reason=FinishReason.STOP,
            usage=estimated(request, ()),
            seed=request.parameters.seed,
            files=(await in_thread(picture_in, path, None, reply.provider),),
        )


def _body(request: GenerationRequest) -> dict[str, Any]:
    parameters = {PARAMETERS[name]: it for name, it in given(request.parameters).items()}
    return {"inputs": words_of(request), **({"parameters": parameters} if parameters else {})}
