"""Ollama's chats on the wire and in our words: pure functions of a request, a body, a line."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import httpx
import msgspec
from attrs import define, field

from ....domain import errors
from ....domain.errors import GatewayError, InvalidRequest, ProviderBadResponse, ProviderError, StreamInterrupted
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
from ....domain.parameters import TEXT_PARAMETERS, TextParameters
from ..estimates import estimated
from ..transport.failures import retry_after_s, told
from ..transport.statuses import by_status

PARAMETERS: Final = TEXT_PARAMETERS - {"tool_choice"}
"""Everything but the choice of a tool, which Ollama leaves to the model."""

OPTIONS: Final[Mapping[str, str]] = {
    "max_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "repetition_penalty": "repeat_penalty",
    "stop": "stop",
    "seed": "seed",
}
"""What Ollama calls our parameters."""

FINISH_REASONS: Final = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}

TOO_LONG: Final = ("exceed_context_size_error", "exceeds the context length", "longer than the context length")
"""How Ollama and its engines say that a conversation is too long; it has no codes of its own."""


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def to_wire(request: GenerationRequest, *, keep_alive: str | float | None, num_ctx: int | None) -> bytes:
    """The body of `POST /api/chat`. A conversation that is too long is an error, where Ollama would cut it off.

    Raises:
        InvalidRequest: something of it cannot be said to Ollama.
    """
    parameters = request.parameters_as(TextParameters)
    given = {theirs: it for ours, theirs in OPTIONS.items() if (it := getattr(parameters, ours)) is not None}
    options = given | ({} if num_ctx is None else {"num_ctx": num_ctx})
    names = _called(request.messages)
    body: dict[str, Any] = {
        "model": request.model.upstream,
        "messages": [wire for message in request.messages for wire in _messages(message, names)],
        "stream": request.stream,
        "truncate": False,
        "options": options,
    }
    if parameters.tools is not None:
        body["tools"] = parameters.tools
    if parameters.response_format is not None:
        body |= _format(parameters.response_format)
    if keep_alive is not None:
        body["keep_alive"] = keep_alive
    return msgspec.json.encode(body)


def _format(wanted: Mapping[str, Any]) -> dict[str, Any]:
    match wanted:
        case {"type": "text"}:
            return {}
        case {"type": "json_object"}:
            return {"format": "json"}
        case {"type": "json_schema", "json_schema": {"schema": {**schema}}}:
            return {"format": schema}
        case _:
            allowed = ("text", "json_object", "json_schema")
            raise InvalidRequest.at("/parameters/response_format", "is of a type that this service has not", allowed)


def _called(messages: tuple[Message, ...]) -> Mapping[str, str]:
    """The functions that were called, by the ids of the calls: Ollama wants to know whose a result is."""
    return {it.id: it.name for message in messages for it in message.parts if isinstance(it, ToolCallPart)}


def _messages(message: Message, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """One message, and before it one for each tool result."""
    for part in message.parts:
        if isinstance(part, ToolResultPart):
            name = names.get(part.tool_call_id, "")
            yield {"role": Role.TOOL, "content": part.text, "tool_name": name, "tool_call_id": part.tool_call_id}
    calls = [_tool_call(part) for part in message.parts if isinstance(part, ToolCallPart)]
    images = [_base64(part) for part in message.parts if isinstance(part, ImagePart)]
    if message.text or calls or images or not message.parts:
        yield {
            "role": message.role,
            "content": message.text,
            **({"images": images} if images else {}),
            **({"tool_calls": calls} if calls else {}),
        }


def _base64(part: ImagePart) -> str:
    head, comma, content = part.url.partition(",")
    if not (head.startswith("data:") and head.endswith(";base64") and comma):
        raise InvalidRequest.at("/input", "this service takes pictures as data: URLs or artifacts, and fetches none")
    return content


def _tool_call(part: ToolCallPart) -> dict[str, Any]:
    try:
        arguments = msgspec.json.decode(part.arguments or "{}", type=dict[str, Any])
    except msgspec.DecodeError as exc:
        message = f"the arguments of tool call {part.id!r} are no JSON object, which this service wants"
        raise InvalidRequest.at("/input", message) from exc
    return {"id": part.id, "function": {"name": part.name, "arguments": arguments}}


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Function(msgspec.Struct):
    name: str
    arguments: msgspec.Raw = msgspec.Raw(b"{}")


class _ToolCall(msgspec.Struct):
    function: _Function
    id: str | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Line(msgspec.Struct):
    """A line of a stream, and a whole answer: both look the same."""

    model: str | None = None
    message: _Said | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: str | None = None


_decode = msgspec.json.Decoder(_Line).decode


@define
class Answer:
    """An answer that comes in lines: give it each, and it says what is new. A whole answer is one line."""

    request: GenerationRequest
    done: bool = field(init=False, default=False)
    begun: bool = field(init=False, default=False)
    _texts: list[str] = field(init=False, factory=list)
    _calls: list[ToolCallPart] = field(init=False, factory=list)
    _last: _Line = field(init=False, factory=_Line)

    def take(self, payload: bytes) -> list[TextDelta | ToolCallDelta]:
        """What one line adds.

        Raises:
            ProviderBadResponse: it is not one.
            GatewayError: it is an error.
        """
        provider = self.request.model.provider
        try:
            line = _decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as exc:
            detail = f"Provider {provider!r} answered with something that is not a chat."
            raise ProviderBadResponse(detail=detail) from exc
        if line.error is not None:
            raise from_words(line.error, provider=provider)
        if line.done:
            self.done, self._last = True, line
        deltas: list[TextDelta | ToolCallDelta] = []
        if line.message and line.message.content:
            self._texts.append(line.message.content)
            deltas.append(TextDelta(line.message.content))
        deltas += [self._call(call) for call in (line.message and line.message.tool_calls) or ()]
        self.begun = self.begun or bool(deltas)
        return deltas

    def completed(self) -> Completed:
        """The whole, after the last line.

        Raises:
            StreamInterrupted: no line said that the output is whole.
            ProviderBadResponse: the same, and there was no output.
        """
        reason = FINISH_REASONS.get(self._last.done_reason or "stop") if self.done else None
        if reason is None:
            cause = StreamInterrupted if self.begun else ProviderBadResponse
            raise cause(detail=f"Provider {self.request.model.provider!r} ended its answer too early.")
        if self._calls and reason is FinishReason.STOP:
            reason = FinishReason.TOOL_CALLS
        text = "".join(self._texts)
        output: tuple[Part, ...] = ((TextPart(text),) if text else ()) + tuple(self._calls)
        return Completed(
            output=output,
            finish_reason=reason,
            usage=self._usage(output),
            seed=self.request.parameters.seed,
            resolved_model=self._last.model,
        )

    def _usage(self, output: tuple[Part, ...]) -> Usage:
        asked, made = self._last.prompt_eval_count, self._last.eval_count
        if asked is None or made is None:
            return estimated(self.request, output)
        return Usage(input_tokens=asked, output_tokens=made)

    def _call(self, call: _ToolCall) -> ToolCallDelta:
        """A call comes whole; older servers give it no id, which then is one of ours."""
        index = len(self._calls)
        call_id = call.id or f"{self.request.id}_{index}"
        part = ToolCallPart(call_id, call.function.name, bytes(call.function.arguments).decode())
        self._calls.append(part)
        return ToolCallDelta(index, part.id, part.name, part.arguments)


def from_wire(body: bytes, request: GenerationRequest) -> Completed:
    """A whole answer.

    Raises:
        GatewayError: it is an error, or no answer of Ollama's.
    """
    answer = Answer(request)
    answer.take(body)
    return answer.completed()


class _ErrorBody(msgspec.Struct):
    error: str = ""


def to_error(status: int, headers: Mapping[str, str], body: bytes, *, provider: str) -> GatewayError:
    """The error for an answer that is not 2xx."""
    words = _words_of(body)
    if not words and status == httpx.codes.NOT_FOUND:
        return ProviderBadResponse(detail=f"Provider {provider!r} has no Ollama at its base URL.")
    failure = from_words(words, provider=provider, status=status)
    failure.retry_after_s = retry_after_s(headers)
    return failure


def of_body(body: bytes, provider: str) -> GatewayError | None:
    """The error that the body of a good status is, if it is one."""
    words = _words_of(body)
    return from_words(words, provider=provider) if words else None


def _words_of(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_ErrorBody).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def from_words(words: str, *, provider: str, status: int = 200) -> GatewayError:
    """The error for what Ollama says: it has a status and a sentence, which is not passed on."""
    kind = by_status(status, otherwise=ProviderError)
    if any(sign in words for sign in TOO_LONG):
        kind = errors.ContextLengthExceeded
    elif status == httpx.codes.SERVICE_UNAVAILABLE:  # its queue is full
        kind = errors.ProviderOverloaded
    return kind(detail=told(kind, provider=provider, status=status))
