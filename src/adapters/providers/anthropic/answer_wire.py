"""Answers of `POST /v1/messages` in our words: pure. `stream_wire.py` reads those that come in events.

Thinking is not shown. Where it is signed and the answer asks for tools, the answer's content is the state after it, as
Anthropic wrote it: it wants its thoughts back with the results, unchanged.
"""

from typing import Final

import msgspec

from ....domain.errors import ContentPolicyViolation, ProviderBadResponse
from ....domain.generation import Completed, FinishReason, GenerationRequest, Part, TextPart, ToolCallPart, Usage
from ..estimates import estimated
from ..verbatim import Verbatim
from .errors import ErrorObject, from_object

STATE: Final = "anthropic.thinking"

FINISH_REASONS: Final = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}
"""But for `pause_turn`, which only tools have that run at Anthropic; none are asked for."""

_THOUGHTS: Final = ("thinking", "redacted_thinking")


class WireBlock(msgspec.Struct):
    """A block of content, and the beginning of one."""

    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw()
    thinking: str = ""
    signature: str = ""


class WireUsage(msgspec.Struct):
    """All counts are of the whole answer so far; an event may have only some of them."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class WireMessage(msgspec.Struct):
    """A whole answer, and the beginning of a streamed one."""

    content: list[msgspec.Raw] = []
    model: str | None = None
    stop_reason: str | None = None
    usage: WireUsage | None = None
    type: str = ""
    error: ErrorObject | None = None


_decode_message = msgspec.json.Decoder(WireMessage).decode
decode_block = msgspec.json.Decoder(WireBlock).decode

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError)


def from_wire(body: bytes, request: GenerationRequest, shown: Verbatim) -> Completed:
    """The whole answer.

    Raises:
        ProviderBadResponse: it is not a finished message.
        GatewayError: it is an error in spite of its status, or the content was refused.
    """
    provider = request.model.provider
    try:
        message = _decode_message(body)
        blocks = [decode_block(raw) for raw in message.content]
    except UNREADABLE as exc:
        raise not_a_message(provider) from exc
    if message.error is not None:
        raise from_object(message.error, provider=provider)
    if message.stop_reason not in FINISH_REASONS:
        raise ProviderBadResponse(detail=f"Provider {provider!r} answered without a finished message.")
    output = output_of(
        "".join(block.text for block in blocks if block.type == "text"),
        [ToolCallPart(block.id, block.name, arguments_of(block.input)) for block in blocks if block.type == "tool_use"],
    )
    return completed(
        request, shown, output, message, [(block.type, raw) for block, raw in zip(blocks, message.content, strict=True)]
    )


def completed(
    request: GenerationRequest,
    shown: Verbatim,
    output: tuple[Part, ...],
    message: WireMessage,
    content: list[tuple[str, msgspec.Raw]],
) -> Completed:
    """The answer that a finished message is; `content` are its blocks as Anthropic wrote them, each with its type.

    Raises:
        ContentPolicyViolation: it was refused before there was any output.
    """
    finish_reason, provider = FINISH_REASONS[message.stop_reason or ""], request.model.provider
    if finish_reason is FinishReason.CONTENT_FILTER and not output:
        raise ContentPolicyViolation(detail=f"The provider refused the content (provider {provider!r}, refusal).")
    state = None
    if finish_reason is FinishReason.TOOL_CALLS and (shown.written or any(kind in _THOUGHTS for kind, _ in content)):
        written = msgspec.json.encode([raw for _, raw in content])
        state = shown.after(request.messages, output, written, STATE)
    return Completed(
        output=output,
        finish_reason=finish_reason,
        usage=_counted(message.usage) or estimated(request, output),
        resolved_model=message.model,
        state=state,
    )


def output_of(text: str, calls: list[ToolCallPart]) -> tuple[Part, ...]:
    """The text, if there is any, and then the calls."""
    return ((TextPart(text),) if text else ()) + tuple(calls)


def arguments_of(raw: msgspec.Raw) -> str:
    """The `input` of a call as it was written."""
    return bytes(raw).decode() or "{}"


def _counted(usage: WireUsage | None) -> Usage | None:
    """Anthropic counts what it read from its cache, and what it wrote there, apart from the rest of the input."""
    if usage is None or usage.output_tokens is None:
        return None
    cached = usage.cache_read_input_tokens or 0
    return Usage(
        input_tokens=(usage.input_tokens or 0) + cached + (usage.cache_creation_input_tokens or 0),
        output_tokens=usage.output_tokens,
        cached_input_tokens=cached,
    )


def not_a_message(provider: str) -> ProviderBadResponse:
    """The error for what cannot be read."""
    return ProviderBadResponse(detail=f"Provider {provider!r} answered with something that is not a message.")
