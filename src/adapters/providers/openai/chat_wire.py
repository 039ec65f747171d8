"""Chat completions on the wire and in our words: pure functions of a request, a body, a chunk.

Only what is needed of an answer is read; unknown fields cost nothing and harm nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from attrs import define, field

from ....domain.errors import GatewayError, ProviderBadResponse, ProviderError, StreamInterrupted
from ....domain.generation import (
    Completed,
    FinishReason,
    GenerationRequest,
    ImagePart,
    Message,
    Part,
    Role,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from ....domain.parameters import given
from ..estimates import estimated
from .errors import ErrorObject, from_object

DONE: Final = b"[DONE]"

NO_NAMES: Final[Mapping[str, str]] = {}

FINISH_REASONS: Final = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def to_wire(request: GenerationRequest, names: Mapping[str, str] = NO_NAMES) -> bytes:
    """The body of `POST /chat/completions`. Parameters have OpenAI's names already; `names` are others of a server."""
    parameters = given(request.parameters)
    body: dict[str, Any] = {
        "model": request.model.upstream,
        "messages": [wire for message in request.messages for wire in _messages(message)],
        **({names.get(name, name): it for name, it in parameters.items()} if names else parameters),
    }
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return msgspec.json.encode(body)


def _messages(message: Message) -> Iterator[dict[str, Any]]:
    """One message, and before it one for each tool result: OpenAI wants those apart."""
    parts = message.parts
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        yield {"role": message.role, "content": parts[0].text}
        return
    for part in parts:
        if isinstance(part, ToolResultPart):
            yield {"role": Role.TOOL, "tool_call_id": part.tool_call_id, "content": part.text}
    calls = [_tool_call(part) for part in parts if isinstance(part, ToolCallPart)]
    content = [part for part in parts if isinstance(part, TextPart | ImagePart)]
    if calls:
        yield {"role": message.role, "content": _content(content) or None, "tool_calls": calls}
    elif content or not parts:
        yield {"role": message.role, "content": _content(content)}


def _content(parts: list[TextPart | ImagePart]) -> str | list[dict[str, Any]]:
    """Text alone as one string, which every server understands; with pictures, a list."""
    if all(isinstance(part, TextPart) for part in parts):
        return "".join(part.text for part in parts if isinstance(part, TextPart))
    return [
        {"type": "text", "text": part.text}
        if isinstance(part, TextPart)
        else {"type": "image_url", "image_url": {"url": part.url}}
        for part in parts
    ]


def _tool_call(part: ToolCallPart) -> dict[str, Any]:
    return {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    function: _Function
    index: int = 0
    id: str | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class _Cached(msgspec.Struct, gc=False):
    cached_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Cached | None = None


class _Answer(msgspec.Struct):
    """A completion and a chunk of one: they differ in `message` and `delta` only."""

    choices: list[_Choice] = []
    model: str | None = None
    usage: _Usage | None = None
    error: ErrorObject | str | None = None


_decode = msgspec.json.Decoder(_Answer).decode


def from_wire(body: bytes, request: GenerationRequest) -> Completed:
    """The whole answer.

    Raises:
        ProviderBadResponse: it is not a completion.
        GatewayError: it is an error in spite of its status.
    """
    answer = _parse(body, request)
    if answer.error is not None:
        raise _in_band(answer.error, request, otherwise=ProviderBadResponse)
    choice = next((choice for choice in answer.choices if choice.index == 0), _Choice())
    finish_reason = FINISH_REASONS.get(choice.finish_reason or "")
    if choice.message is None or finish_reason is None:
        raise ProviderBadResponse(detail=f"Provider {request.model.provider!r} answered without a finished message.")
    said = choice.message
    calls = [
        ToolCallPart(call.id or "", call.function.name or "", call.function.arguments or "")
        for call in said.tool_calls or ()
    ]
    output = _output(said.content or said.refusal or "", calls)
    return _completed(request, output, finish_reason, answer.usage, answer.model)


@define
class StreamedChat:
    """An answer that comes in chunks: give it the data of each event, and it says what is new."""

    request: GenerationRequest
    done: bool = field(init=False, default=False)
    begun: bool = field(init=False, default=False)
    _texts: list[str] = field(init=False, factory=list)
    _calls: dict[int, ToolCallPart] = field(init=False, factory=dict)
    _finish_reason: str | None = field(init=False, default=None)
    _usage: _Usage | None = field(init=False, default=None)
    _model: str | None = field(init=False, default=None)

    def take(self, payload: bytes) -> list[TextDelta | ToolCallDelta]:
        """What one event adds.

        Raises:
            ProviderBadResponse: it is not a chunk.
            GatewayError: it is an error.
        """
        if payload == DONE:
            self.done = True
            return []
        chunk = _parse(payload, self.request)
        if chunk.error is not None:
            raise _in_band(chunk.error, self.request, otherwise=ProviderError)
        if chunk.model:
            self._model = chunk.model
        deltas = [delta for choice in chunk.choices if choice.index == 0 for delta in self._deltas(choice)]
        if chunk.usage is not None:
            self._usage = chunk.usage
        elif deltas:  # a count from before is not one of these
            self._usage = None
        return deltas

    def completed(self) -> Completed:
        """The whole, after the last event.

        Raises:
            StreamInterrupted: no chunk said that the output is whole.
            ProviderBadResponse: the same, and there was none.
        """
        finish_reason = FINISH_REASONS.get(self._finish_reason or "")
        if finish_reason is None:
            cause = StreamInterrupted if self.begun else ProviderBadResponse
            raise cause(detail=f"Provider {self.request.model.provider!r} ended its stream too early.")
        output = _output("".join(self._texts), [self._calls[index] for index in sorted(self._calls)])
        return _completed(self.request, output, finish_reason, self._usage, self._model)

    def _deltas(self, choice: _Choice) -> list[TextDelta | ToolCallDelta]:
        if choice.finish_reason:  # some say "" where they have nothing to say
            self._finish_reason = choice.finish_reason
        if (said := choice.delta) is None:
            return []
        deltas: list[TextDelta | ToolCallDelta] = []
        if text := said.content or said.refusal:
            self._texts.append(text)
            deltas.append(TextDelta(text))
        if said.tool_calls:
            deltas += [self._call(call) for call in said.tool_calls]
        self.begun = self.begun or bool(deltas)
        return deltas

    def _call(self, call: _ToolCall) -> ToolCallDelta:
        delta = ToolCallDelta(call.index, call.id or "", call.function.name or "", call.function.arguments or "")
        so_far = self._calls.get(call.index) or ToolCallPart("", "", "")
        self._calls[call.index] = ToolCallPart(
            so_far.id or delta.id, so_far.name or delta.name, so_far.arguments + delta.arguments
        )
        return delta


def _parse(body: bytes, request: GenerationRequest) -> _Answer:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        detail = f"Provider {request.model.provider!r} answered with something that is not a chat completion."
        raise ProviderBadResponse(detail=detail) from exc


def _in_band(error: ErrorObject | str, request: GenerationRequest, *, otherwise: type[GatewayError]) -> GatewayError:
    described = error if isinstance(error, ErrorObject) else ErrorObject()
    return from_object(described, provider=request.model.provider, otherwise=otherwise)


def _output(text: str, calls: list[ToolCallPart]) -> tuple[Part, ...]:
    return ((TextPart(text),) if text else ()) + tuple(calls)


def _completed(
    request: GenerationRequest,
    output: tuple[Part, ...],
    finish_reason: FinishReason,
    usage: _Usage | None,
    model: str | None,
) -> Completed:
    return Completed(
        output=output,
        finish_reason=finish_reason,
        usage=(usage and _counted(usage)) or estimated(request, output),
        seed=request.parameters.seed,
        resolved_model=model,
    )


def _counted(usage: _Usage) -> Usage | None:
    """What the server counted; None if it did not count both."""
    if usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    cached = (usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens) or 0
    return Usage(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cached_input_tokens=min(cached, usage.prompt_tokens),
    )
