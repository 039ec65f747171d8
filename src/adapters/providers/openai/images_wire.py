"""Image generation on the wire and in our words: pure functions of a request, a body, an event.

The base64 of an answer stays where it is in the body, and is a view of it here: a picture is never copied as text.
"""

from collections.abc import Mapping
from mmap import mmap
from typing import Any, Final

import msgspec

from ....domain.errors import GatewayError, InvalidRequest, ProviderBadResponse, ProviderError
from ....domain.generation import GenerationRequest, Usage
from ....domain.parameters import ImageParameters, given
from ..media_request import prompt_of
from .errors import ErrorObject, from_object
from .image_kinds import SIZE, ImageKind

STEPS: Final = 4
"""OpenAI shows three partial images at most; with the whole one these are the steps of its work."""

PARTIAL, WHOLE = ".partial_image", ".completed"
"""How the types of events end; before that stands `image_generation` or `image_edit`."""

_QUOTE: Final = ord('"')


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def to_fields(request: GenerationRequest, kind: ImageKind, names: Mapping[str, str]) -> dict[str, Any]:
    """The fields of `POST /images/generations` and `/images/edits`, without files; `names` are the server's.

    Raises:
        InvalidRequest: the model does not make this.
    """
    parameters = request.parameters_as(ImageParameters)
    wanted = {name: it for name, it in given(parameters).items() if name not in SIZE | {"preview_every"}}
    fields: dict[str, Any] = {"model": request.model.upstream, "prompt": prompt_of(request)}
    fields |= {names.get(name, name): it for name, it in wanted.items()}
    if size := kind.sizes.of(parameters):
        fields["size"] = size
    if kind.says_base64:
        fields["response_format"] = "b64_json"
    if previews := previews_of(request):
        fields |= {"stream": True, names.get("preview_every", "preview_every"): previews}
    return fields


def previews_of(request: GenerationRequest) -> int:
    """How many previews to ask for: after every so many of the `STEPS`, if somebody watches them come.

    Raises:
        InvalidRequest: they would not be the PNGs that previews are.
    """
    parameters = request.parameters_as(ImageParameters)
    if not (request.stream and parameters.preview_every):
        return 0
    if parameters.format not in (None, "png"):
        raise InvalidRequest.at("/parameters/format", "must be png to have previews: this service makes both alike")
    return (STEPS - 1) // parameters.preview_every


def form_values(fields: Mapping[str, Any]) -> dict[str, str]:
    """The fields as a form has them."""
    return {name: it if isinstance(it, str) else msgspec.json.encode(it).decode() for name, it in fields.items()}


def count_of(request: GenerationRequest) -> int:
    """How many pictures are asked for."""
    return request.parameters_as(ImageParameters).n or 1


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────


class WirePicture(msgspec.Struct):
    """A picture: its base64, or where it is."""

    b64_json: msgspec.Raw = msgspec.Raw()
    url: str | None = None
    revised_prompt: str | None = None

    @property
    def base64(self) -> memoryview | None:
        """The base64, still as a string of JSON, but without its quotes; None if there is none."""
        view = memoryview(self.b64_json)
        return view[1:-1] if len(view) > len('""') and view[0] == _QUOTE else None


class WireUsage(msgspec.Struct):
    """OpenAI counts both; others leave it out, or have zeros under names of their own."""

    input_tokens: int = 0
    output_tokens: int = 0


class WireAnswer(msgspec.Struct):
    """A whole answer."""

    data: list[WirePicture] | None = None
    usage: WireUsage | None = None
    error: ErrorObject | str | None = None


class WireEvent(WirePicture):
    """An event of a stream: a partial picture or a whole one."""

    type: str = ""
    partial_image_index: int = 0
    usage: WireUsage | None = None
    error: ErrorObject | str | None = None


_decode_answer = msgspec.json.Decoder(WireAnswer).decode
_decode_event = msgspec.json.Decoder(WireEvent).decode


def read_answer(body: bytes | mmap, provider: str, count: int) -> WireAnswer:
    """The whole answer, which is a view of the body.

    Raises:
        ProviderBadResponse: it is not as many pictures as were asked for.
        GatewayError: it is an error in spite of its status.
    """
    try:
        answer = _decode_answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise not_pictures(provider) from exc
    if answer.error is not None:
        raise _in_band(answer.error, provider, otherwise=ProviderBadResponse)
    if len(pictures := answer.data or ()) != count:
        detail = f"Provider {provider!r} answered with {len(pictures)} pictures, and was asked for {count}."
        raise ProviderBadResponse(detail=detail)
    return answer


def read_event(payload: bytes, provider: str) -> WireEvent:
    """An event of a stream.

    Raises:
        ProviderBadResponse: it is none.
        GatewayError: it is an error.
    """
    try:
        event = _decode_event(payload)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise not_pictures(provider) from exc
    if event.error is not None or event.type == "error":
        raise _in_band(event.error or ErrorObject(), provider, otherwise=ProviderError)
    return event


def counted(usage: WireUsage | None, prompt: str) -> Usage:
    """What was counted; else the prompt's tokens as they are estimated for text, one for four bytes of UTF-8."""
    if usage and (usage.input_tokens or usage.output_tokens):
        return Usage(input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)
    return Usage(input_tokens=-(-len(prompt.encode()) // 4), source="estimated")


def not_pictures(provider: str) -> ProviderBadResponse:
    """The error for an answer that is none."""
    return ProviderBadResponse(detail=f"Provider {provider!r} answered with something that is not a list of images.")


def _in_band(error: ErrorObject | str, provider: str, *, otherwise: type[GatewayError]) -> GatewayError:
    described = error if isinstance(error, ErrorObject) else ErrorObject()
    return from_object(described, provider=provider, otherwise=otherwise)
