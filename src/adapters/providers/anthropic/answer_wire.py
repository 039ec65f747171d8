"""Answers of `POST /v1/messages`, whole and in events, in our words: pure.

Thinking is not shown. Where it is signed and the answer asks for tools, the answer's content is the state after it, as
Anthropic wrote it: it wants its thoughts back with the results, unchanged.
"""

from typing import Any, Final

import msgspec
from attrs import define, field

from ....domain.errors import (
    ContentPolicyViolation,
    GatewayError,
    ProviderBadResponse,
    ProviderError,
    StreamInterrupted,
)
from ....domain.generation import (
    Completed,
    FinishReason,
    GenerationRequest,
    Part,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    Usage,
)
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


class _Block(msgspec.Struct):
    """A block of content, and the beginning of one."""

    type: str
    text: str = ""
    id: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw()
    thinking: str = ""
    signature: str = ""


class _Usage(msgspec.Struct):
    """All counts are of the whole answer so far; an event may have only some of them."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Message(msgspec.Struct):
    content: list[msgspec.Raw] = []
    model: str | None = None
    stop_reason: str | None = None
    usage: _Usage | None = None
    type: str = ""
    error: ErrorObject | None = None


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    partial_json: str = ""
    thinking: str = ""
    signature: str = ""
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str
    index: int = 0
    message: _Message | None = None
    content_block: msgspec.Raw = msgspec.Raw()
    delta: _Delta | None = None
    usage: _Usage | None = None
    error: ErrorObject | None = None


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_block = msgspec.json.Decoder(_Block).decode

_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError)


def from_wire(body: bytes, request: GenerationRequest, shown: Verbatim) -> Completed:
    """The whole answer.

    Raises:
        ProviderBadResponse: it is not a finished message.
        GatewayError: it is an error in spite of its status, or the content was refused.
    """
    provider = request.model.provider
    try:
        message = _decode_message(body)
        blocks = [_decode_block(raw) for raw in message.content]
    except _UNREADABLE as exc:
        raise _not_a_message(provider) from exc
    if message.error is not None:
        raise from_object(message.error, provider=provider)
    if message.stop_reason not in FINISH_REASONS:
        raise ProviderBadResponse(detail=f"Provider {provider!r} answered without a finished message.")
    output = _output(
        "".join(block.text for block in blocks if block.type == "text"),
        [ToolCallPart(block.id, block.name, _arguments(block.input)) for block in blocks if block.type == "tool_use"],
    )
    return _completed(
        request, shown, output, message, [(block.type, raw) for block, raw in zip(blocks, message.content, strict=True)]
    )


@define
class StreamedMessage:
    """An answer that comes in events: give it the data of each."""

    request: GenerationRequest
    shown: Verbatim
    done: bool = field(init=False, default=False)
    begun: bool = field(init=False, default=False)
    _message: _Message = field(init=False, factory=_Message)
    _blocks: dict[int, "_Growing"] = field(init=False, factory=dict)
    _calls: int = field(init=False, default=0)

    def take(self, payload: bytes) -> list[TextDelta | ToolCallDelta]:
        """What one event adds; events and blocks of kinds that are not known add nothing.

        Raises:
            ProviderBadResponse: it is no event of this API.
            GatewayError: it is an error.
        """
        provider = self.request.model.provider
        try:
            event = _decode_event(payload)
            if event.error is not None or event.type == "error":
                raise from_object(event.error or ErrorObject(), provider=provider, otherwise=ProviderError)
            deltas = self._deltas(event)
        except _UNREADABLE as exc:
            raise _not_a_message(provider) from exc
        self.begun = self.begun or bool(deltas)
        return deltas

    def completed(self) -> Completed:
        """The whole, after the last event.

        Raises:
            StreamInterrupted: no event said why the output ended.
            ProviderBadResponse: the same, and there was no output.
            GatewayError: the content was refused.
        """
        if self._message.stop_reason not in FINISH_REASONS:
            cause = StreamInterrupted if self.begun else ProviderBadResponse
            raise cause(detail=f"Provider {self.request.model.provider!r} ended its stream too early.")
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        output = _output(
            "".join(block.text for block in blocks if block.type == "text"),
            [block.as_call() for block in blocks if block.type == "tool_use"],
        )
        content = [(block.type, block.as_written()) for block in blocks]
        return _completed(self.request, self.shown, output, self._message, content)

    def _deltas(self, event: _Event) -> list[TextDelta | ToolCallDelta]:
        match event.type:
            case "message_start" if event.message is not None:
                self._message = event.message
            case "content_block_start":
                return self._begin(event.index, event.content_block)
            case "content_block_delta" if event.delta is not None and event.index in self._blocks:
                return self._blocks[event.index].take(event.delta)
            case "content_block_stop" if event.index in self._blocks:
                return self._blocks[event.index].end()
            case "message_delta":
                self._end(event)
            case "message_stop":
                self.done = True
        return []

    def _begin(self, index: int, raw: msgspec.Raw) -> list[TextDelta | ToolCallDelta]:
        block = _decode_block(raw)
        growing = self._blocks[index] = _Growing(block, msgspec.Raw(bytes(raw)), call=self._calls)
        if block.type == "tool_use":
            self._calls += 1
            return [ToolCallDelta(growing.call, block.id, block.name)]
        return [TextDelta(block.text)] if block.type == "text" and block.text else []

    def _end(self, event: _Event) -> None:
        if event.delta is not None and event.delta.stop_reason is not None:
            self._message.stop_reason = event.delta.stop_reason
        if event.usage is not None:
            self._message.usage = _newer(self._message.usage, event.usage)


class _Growing:
    """A block whose parts come one by one."""

    def __init__(self, begun: _Block, raw: msgspec.Raw, call: int) -> None:
        self.type, self.call = begun.type, call
        self._begun, self._raw = begun, raw
        self._texts, self._json = [begun.text], [""]
        self._thinking, self._signatures = [begun.thinking], [begun.signature]

    @property
    def text(self) -> str:
        return "".join(self._texts)

    def take(self, delta: _Delta) -> list[TextDelta | ToolCallDelta]:
        match delta.type:
            case "text_delta":
                self._texts.append(delta.text)
                return [TextDelta(delta.text)] if delta.text and self.type == "text" else []
            case "input_json_delta":
                self._json.append(delta.partial_json)
                wanted = delta.partial_json and self.type == "tool_use"
                return [ToolCallDelta(self.call, arguments=delta.partial_json)] if wanted else []
            case "thinking_delta":
                self._thinking.append(delta.thinking)
            case "signature_delta":
                self._signatures.append(delta.signature)
        return []

    def end(self) -> list[TextDelta | ToolCallDelta]:
        """A call without arguments has no pieces of them, but an empty object where it began."""
        if self.type != "tool_use" or any(self._json):
            return []
        self._json.append(_arguments(self._begun.input))
        return [ToolCallDelta(self.call, arguments=self._json[-1])]

    def as_call(self) -> ToolCallPart:
        return ToolCallPart(self._begun.id, self._begun.name, "".join(self._json))

    def as_written(self) -> msgspec.Raw:
        """The block as it would have been in a whole answer."""
        grown: dict[str, Any] = {}
        match self.type:
            case "text":
                grown = {"text": self.text}
            case "tool_use" if any(self._json):
                grown = {"input": msgspec.Raw("".join(self._json).encode())}
            case "thinking":
                grown = {"thinking": "".join(self._thinking), "signature": "".join(self._signatures)}
        if not grown:
            return self._raw
        return msgspec.Raw(msgspec.json.encode(msgspec.json.decode(self._raw, type=dict[str, msgspec.Raw]) | grown))


def _completed(
    request: GenerationRequest,
    shown: Verbatim,
    output: tuple[Part, ...],
    message: _Message,
    content: list[tuple[str, msgspec.Raw]],
) -> Completed:
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


def _output(text: str, calls: list[ToolCallPart]) -> tuple[Part, ...]:
    return ((TextPart(text),) if text else ()) + tuple(calls)


def _arguments(raw: msgspec.Raw) -> str:
    return bytes(raw).decode() or "{}"


def _newer(old: _Usage | None, new: _Usage) -> _Usage:
    counts = [
        {name: it for name, it in msgspec.structs.asdict(usage).items() if it is not None}
        for usage in (old or _Usage(), new)
    ]
    return _Usage(**(counts[0] | counts[1]))


def _counted(usage: _Usage | None) -> Usage | None:
    """Anthropic counts what it read from its cache, and what it wrote there, apart from the rest of the input."""
    if usage is None or usage.output_tokens is None:
        return None
    cached = usage.cache_read_input_tokens or 0
    return Usage(
        input_tokens=(usage.input_tokens or 0) + cached + (usage.cache_creation_input_tokens or 0),
        output_tokens=usage.output_tokens,
        cached_input_tokens=cached,
    )


def _not_a_message(provider: str) -> GatewayError:
    return ProviderBadResponse(detail=f"Provider {provider!r} answered with something that is not a message.")
