"""Answers of `generateContent` and `streamGenerateContent`, in our words: pure.

Thoughts are not shown. Where a part is signed, the answer's parts are the state after it, as Gemini wrote them: its
newer models refuse the result of a call without the signature that came with the call.
"""

from mmap import mmap
from typing import Final

import msgspec
from attrs import define, field

from ....domain.errors import GatewayError, ProviderBadResponse, ProviderError, StreamInterrupted
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
from .finish_reasons import finish_reason_of, refusal
from .request_wire import MADE

STATE: Final = "gemini.thought_signatures"


class _Call(msgspec.Struct):
    name: str = ""
    id: str = ""
    args: msgspec.Raw = msgspec.Raw()


class WirePart(msgspec.Struct, rename="camel"):
    """A part of an answer. The base64 of a picture stays where it is in the body."""

    text: str = ""
    thought: bool = False
    thought_signature: str = ""
    function_call: _Call | None = None
    inline_data: "WireBlob | None" = None


class WireBlob(msgspec.Struct, rename="camel"):
    """A file in an answer."""

    mime_type: str = ""
    data: msgspec.Raw = msgspec.Raw()


class _Content(msgspec.Struct):
    parts: list[msgspec.Raw] = []


class _Candidate(msgspec.Struct, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    index: int = 0


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class WireUsage(msgspec.Struct, rename="camel"):
    """Counts of the whole answer so far. What was cached is part of the prompt; thoughts are apart from the output."""

    prompt_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    cached_content_token_count: int = 0


class WireAnswer(msgspec.Struct, rename="camel"):
    """A whole answer, and one of the events that make it."""

    candidates: list[_Candidate] = []
    prompt_feedback: _Feedback | None = None
    usage_metadata: WireUsage | None = None
    model_version: str | None = None
    error: ErrorObject | None = None


_decode = msgspec.json.Decoder(WireAnswer).decode
_decode_part = msgspec.json.Decoder(WirePart).decode


@define
class GeminiAnswer:
    """An answer, whole or in events: give it the body, or the data of each event."""

    request: GenerationRequest
    shown: Verbatim
    begun: bool = field(init=False, default=False)
    _texts: list[str] = field(init=False, factory=list)
    _calls: list[ToolCallPart] = field(init=False, factory=list)
    _written: list[msgspec.Raw] = field(init=False, factory=list)
    _signed: bool = field(init=False, default=False)
    _finish_reason: str | None = field(init=False, default=None)
    _usage: WireUsage | None = field(init=False, default=None)
    _model: str | None = field(init=False, default=None)

    @property
    def done(self) -> bool:
        """Whether all has been said: the stream has no last word but its end."""
        return self._finish_reason is not None and self._usage is not None

    def take(self, payload: bytes) -> list[TextDelta | ToolCallDelta]:
        """What one event, or a whole body, adds.

        Raises:
            ProviderBadResponse: it is no answer of this API.
            GatewayError: it is an error, or the request was refused.
        """
        answer = read_answer(payload, self.request, otherwise=ProviderError)
        self._usage = answer.usage_metadata or self._usage
        self._model = answer.model_version or self._model
        candidate = next((it for it in answer.candidates if it.index == 0), None)
        if candidate is None:
            return []
        self._finish_reason = candidate.finish_reason or self._finish_reason
        deltas = [
            delta
            for raw in (candidate.content or _Content()).parts
            for delta in self._part(read_part(raw, self.request.model.provider), raw)
        ]
        self.begun = self.begun or bool(deltas)
        return deltas

    def completed(self) -> Completed:
        """The whole, after the last event.

        Raises:
            StreamInterrupted: nothing said why the output ended.
            ProviderBadResponse: the same, and there was no output.
            GatewayError: it ended because something was wrong with the answer or the request.
        """
        text, request = "".join(self._texts), self.request
        output: tuple[Part, ...] = (*((TextPart(text),) if text else ()), *self._calls)
        if self._finish_reason is None:
            cause = StreamInterrupted if self.begun else ProviderBadResponse
            raise cause(detail=f"Provider {request.model.provider!r} ended its stream too early.")
        finish_reason = finish_reason_of(self._finish_reason, request, said=bool(output))
        if self._calls and finish_reason is FinishReason.STOP:
            finish_reason = FinishReason.TOOL_CALLS
        state = None
        if self._signed or (self._calls and self.shown.written):
            state = self.shown.after(request.messages, output, msgspec.json.encode(self._written), STATE)
        return Completed(
            output=output,
            finish_reason=finish_reason,
            usage=counted(self._usage) or estimated(request, output),
            seed=request.parameters.seed,
            resolved_model=self._model,
            state=state,
        )

    def _part(self, part: WirePart, raw: msgspec.Raw) -> list[TextDelta | ToolCallDelta]:
        if part.thought:
            return []
        self._written.append(msgspec.Raw(bytes(raw)))
        self._signed = self._signed or bool(part.thought_signature)
        if part.text:
            self._texts.append(part.text)
            return [TextDelta(part.text)]
        if (call := part.function_call) is None:
            return []
        index, arguments = len(self._calls), bytes(call.args).decode() or "{}"
        self._calls.append(ToolCallPart(call.id or f"{MADE}{self.request.id}_{index}", call.name, arguments))
        return [ToolCallDelta(index, self._calls[-1].id, call.name, arguments)]


def from_wire(body: bytes, request: GenerationRequest, shown: Verbatim) -> Completed:
    """The whole answer.

    Raises:
        ProviderBadResponse: it is not a finished one.
        GatewayError: it is an error in spite of its status, or the content was refused.
    """
    answer = GeminiAnswer(request, shown)
    answer.take(body)
    try:
        return answer.completed()
    except StreamInterrupted as exc:
        detail = f"Provider {request.model.provider!r} answered without a finished candidate."
        raise ProviderBadResponse(detail=detail) from exc


def read_answer(
    body: bytes | mmap, request: GenerationRequest, *, otherwise: type[GatewayError] = ProviderBadResponse
) -> WireAnswer:
    """An answer, or a part of it.

    Raises:
        ProviderBadResponse: it is none.
        ContentPolicyViolation: the prompt was refused.
        GatewayError: it is an error.
    """
    provider = request.model.provider
    try:
        answer = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _not_an_answer(provider) from exc
    if answer.error is not None:
        raise from_object(answer.error, provider=provider, otherwise=otherwise)
    if answer.prompt_feedback and answer.prompt_feedback.block_reason:
        raise refusal(answer.prompt_feedback.block_reason, provider)
    return answer


def read_part(raw: msgspec.Raw, provider: str) -> WirePart:
    """A part of an answer.

    Raises:
        ProviderBadResponse: it is none.
    """
    try:
        return _decode_part(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise _not_an_answer(provider) from exc


def counted(usage: WireUsage | None) -> Usage | None:
    """What was counted; a prompt of no tokens says that nothing was."""
    if usage is None or not usage.prompt_token_count:
        return None
    input_tokens = usage.prompt_token_count + usage.tool_use_prompt_token_count
    return Usage(
        input_tokens=input_tokens,
        output_tokens=usage.candidates_token_count + usage.thoughts_token_count,
        cached_input_tokens=min(usage.cached_content_token_count, input_tokens),
    )


def _not_an_answer(provider: str) -> ProviderBadResponse:
    detail = f"Provider {provider!r} answered with something that is not an answer of the Gemini API."
    return ProviderBadResponse(detail=detail)
