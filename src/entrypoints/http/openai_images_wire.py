"""OpenAI's image generation in the words of the domain, and back: pure functions.

Speaks the `POST /v1/images/generations` of https://platform.openai.com/docs/api-reference/images (2025-11), and as
extra fields `seed`, `steps`, `guidance_scale`, `negative_prompt`, `session_id` and `state_token`. Fields that neither
OpenAI nor the gateway knows are passed over, as OpenAI's clients expect. Those of OpenAI's that would change the
output, and that the gateway does not carry, are refused unless they ask for nothing (`NEUTRAL`).
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from attrs import frozen

from ...application.command import GenerateCommand
from ...domain.errors import InvalidRequest, Violation
from ...domain.generation import FileDelivery, Generation, Role, text_message
from ...domain.model import Modality
from ...domain.parameters import Field, ImageParameters
from ..structuring import structure
from .openai_wire import to_state_token
from .rendering import absolute

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "background": ("auto", "opaque"),
    "moderation": ("auto",),
    "output_compression": (100,),
    "quality": ("auto", "standard", "medium"),
    "style": ("vivid",),
}
"""What the gateway cannot carry, and the values of it that ask for nothing; so does `null`, always."""

OWN = ("seed", "steps", "guidance_scale", "negative_prompt")
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_SIZES = f"auto|{_SIZE.pattern}"


@frozen(kw_only=True)
class ImageRequest:
    """The request, without the parameters that are the gateway's own."""

    prompt: Annotated[str, Field("What to show.", max_length=32_000)]
    model: str | None = None
    n: int | None = None
    size: Annotated[str | None, Field("`auto`, or width and height.", pattern=_SIZES, examples=("512x512",))] = None
    response_format: Literal["url", "b64_json"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    stream: bool | None = None
    partial_images: Annotated[int | None, Field("How many previews a stream has.", 0, 3)] = None
    session_id: Annotated[str | None, Field("Makes this a turn of that session.", max_length=128)] = None
    state_token: Annotated[str | None, Field("Goes on from that state, or `auto`.", max_length=256)] = None
    user: str | None = None

    def command(self, parameters: ImageParameters, session_version: int | None) -> GenerateCommand:
        """What is asked of the use case; OpenAI's own default is a URL."""
        return GenerateCommand(
            modality=Modality.IMAGE,
            messages=(text_message(Role.USER, self.prompt),),
            parameters=parameters,
            model=self.model,
            stream=bool(self.stream),
            delivery="inline" if self.stream or self.response_format == "b64_json" else "url",
            session_id=self.session_id,
            session_version=session_version,
            state_token=self.state_token,
        )


def read_request(body: Any) -> tuple[ImageRequest, ImageParameters]:
    """Check a request.

    Raises:
        InvalidRequest: with what is wrong with it.
    """
    request = structure(body, ImageRequest, ignore_unknown=True)
    if refused := [_refused(name, body[name]) for name in NEUTRAL if not _asks_for_nothing(name, body)]:
        raise InvalidRequest.of(refused)
    given = {name: body[name] for name in OWN if body.get(name) is not None}
    given |= {"n": request.n, "format": request.output_format, **_size(request.size)}
    if request.stream and request.partial_images:
        given["preview_every"] = 1
    return request, structure({name: it for name, it in given.items() if it is not None}, ImageParameters)


def _asks_for_nothing(name: str, body: Mapping[str, Any]) -> bool:
    return body.get(name) is None or body[name] in NEUTRAL[name]


def _refused(name: str, _: object) -> Violation:
    allowed = " or ".join(map(repr, NEUTRAL[name]))
    return Violation(pointer=f"/{name}", message=f"is not supported with another value than {allowed}: leave it out")


def _size(size: str | None) -> dict[str, int]:
    if size in (None, "auto"):
        return {}
    if not (named := _SIZE.fullmatch(size or "")):
        raise InvalidRequest.at("/size", "must be `auto`, or width and height such as `512x512`")
    return {"width": int(named[1]), "height": int(named[2])}


def to_images(generation: Generation, base: str) -> dict[str, Any]:
    """A finished generation as OpenAI's list of images."""
    return {
        "created": int(generation.created_at.timestamp()),
        "data": [to_image(file, base) for file in generation.files],
        "usage": to_usage(generation),
    } | to_state_token(generation)


def to_image(file: FileDelivery, base: str) -> dict[str, Any]:
    """One picture, by its bytes, which become base64 when the answer is encoded, or by its URL."""
    return {"b64_json": file.data} if file.data is not None else {"url": absolute(file.url or "", base)}


def to_usage(generation: Generation) -> dict[str, Any]:
    """What a generation took."""
    usage = generation.result.usage
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_tokens_details": {"text_tokens": usage.input_tokens, "image_tokens": 0},
    }
