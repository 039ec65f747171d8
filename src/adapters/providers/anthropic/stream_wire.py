"""Answers of `POST /v1/messages` in events, in our words: pure. `answer_wire.py` says what becomes of thoughts."""

from typing import Any

import msgspec
from attrs import define, field

from ....domain.errors import ProviderBadResponse, ProviderError, StreamInterrupted
from ....domain.generation import Completed, GenerationRequest, TextDelta, ToolCallDelta, ToolCallPart
from ..verbatim import Verbatim
from .answer_wire import (
    FINISH_REASONS,
    UNREADABLE,
    WireBlock,
    WireMessage,
    WireUsage,
    arguments_of,
    completed,
    decode_block,
    not_a_message,
    output_of,
)
from .errors import ErrorObject, from_object


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
    message: WireMessage | None = None
    content_block: msgspec.Raw = msgspec.Raw()
    delta: _Delta | None = None
    usage: WireUsage | None = None
    error: ErrorObject | None = None


_decode_event = msgspec.json.Decoder(_Event).decode


@define
class StreamedMessage:
    """An answer that comes in events: give it the data of each."""

    request: GenerationRequest
    shown: Verbatim
    done: bool = field(init=False, default=False)
    begun: bool = field(init=False, default=False)
    _message: WireMessage = field(init=False, factory=WireMessage)
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
        except UNREADABLE as exc:
            raise not_a_message(provider) from exc
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
        output = output_of(
            "".join(block.text for block in blocks if block.type == "text"),
            [block.as_call() for block in blocks if block.type == "tool_use"],
        )
        content = [(block.type, block.as_written()) for block in blocks]
        return completed(self.request, self.shown, output, self._message, content)

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
        block = decode_block(raw)
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

    def __init__(self, begun: WireBlock, raw: msgspec.Raw, call: int) -> None:
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
        self._json.append(arguments_of(self._begun.input))
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


def _newer(old: WireUsage | None, new: WireUsage) -> WireUsage:
    counts = {name: it for name, it in msgspec.structs.asdict(new).items() if it is not None}
    return msgspec.structs.replace(old or WireUsage(), **counts)
