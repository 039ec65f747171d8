"""OpenAI's chat completions in the words of the domain, and back: pure functions.

Speaks the `POST /v1/chat/completions` of https://platform.openai.com/docs/api-reference/chat (2025-11), and as extra
fields `top_k`, `min_p`, `repetition_penalty`, `session_id` and `state_token`. Fields that neither OpenAI nor the
gateway knows are passed over, as OpenAI's clients expect. Those of OpenAI's that would change the output, and that the
gateway does not carry, are refused unless they ask for nothing (`NEUTRAL`). Names of participants, and the detail of
images, are hints that no backend here takes.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, TypeVar

from attrs import evolve, field, frozen

from ...application.command import GenerateCommand
from ...domain.errors import InvalidRequest, Violation
from ...domain.generation import (
    Generation,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
    Usage,
)
from ...domain.model import Modality
from ...domain.parameters import TEXT_PARAMETERS, Field, TextParameters
from ..structuring import structure

T = TypeVar("T")

NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "parallel_tool_calls": (True,),
    "reasoning_effort": ("none",),
    "verbosity": ("medium",),
    "service_tier": ("auto", "default"),
    "store": (False,),
    "web_search_options": (),
}
"""What the gateway cannot carry, and the values of it that ask for nothing; so does `null`, always."""


@frozen(kw_only=True)
class ChatText:
    """Words."""

    type: Literal["text"]
    text: str


@frozen(kw_only=True)
class ChatRefusal:
    """Words with which an assistant refused."""

    type: Literal["refusal"]
    refusal: str


@frozen(kw_only=True)
class ImageUrl:
    """Where a picture is."""

    url: str


@frozen(kw_only=True)
class ChatImage:
    """A picture."""

    type: Literal["image_url"]
    image_url: ImageUrl


@frozen(kw_only=True)
class CalledFunction:
    """What an assistant asked for."""

    name: str
    arguments: str


@frozen(kw_only=True)
class ToolCall:
    """A call that an assistant asked for."""

    id: str
    function: CalledFunction
    type: Literal["function"] = "function"


@frozen(kw_only=True)
class ToldMessage:
    """What the model is told."""

    role: Literal["system", "developer", "user"]
    content: str | tuple[ChatText | ChatImage | ChatRefusal, ...]


@frozen(kw_only=True)
class AssistantMessage:
    """What the model said, or asked for."""

    role: Literal["assistant"]
    content: str | tuple[ChatText | ChatImage | ChatRefusal, ...] | None = None
    tool_calls: tuple[ToolCall, ...] | None = None


@frozen(kw_only=True)
class ToolMessage:
    """What a function answered to a call."""

    role: Literal["tool"]
    content: str | tuple[ChatText | ChatImage | ChatRefusal, ...]
    tool_call_id: str


ChatMessage = ToldMessage | AssistantMessage | ToolMessage


@frozen(kw_only=True)
class StreamOptions:
    """What a stream has besides the output."""

    include_usage: bool | None = None


@frozen(kw_only=True)
class ChatRequest:
    """The request, without the parameters of the generation."""

    messages: Annotated[tuple[ChatMessage, ...], Field("The conversation, the first message first.", min_length=1)]
    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    session_id: Annotated[str | None, Field("Makes this a turn of that session.", max_length=128)] = None
    state_token: Annotated[str | None, Field("Goes on from that state, or `auto`.", max_length=256)] = None
    metadata: Annotated[Mapping[str, str] | None, Field("Stored with the turn.", max_length=16)] = field(default=None)

    @property
    def include_usage(self) -> bool:
        """Whether the stream ends with the usage."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def command(self, parameters: TextParameters, session_version: int | None) -> GenerateCommand:
        """What is asked of the use case."""
        return GenerateCommand(
            modality=Modality.TEXT,
            messages=tuple(map(to_message, self.messages)),
            parameters=parameters,
            model=self.model,
            stream=bool(self.stream),
            session_id=self.session_id,
            session_version=session_version,
            state_token=self.state_token,
            metadata=self.metadata or {},
        )


def read_request(body: Any) -> tuple[ChatRequest, TextParameters]:
    """Check a request.

    Raises:
        InvalidRequest: with everything that is wrong with it.
    """
    if not isinstance(body, dict):
        structure(body, ChatRequest)
    found = list(_not_carried(body))
    request = _collect(found, lambda: structure(body, ChatRequest, ignore_unknown=True))
    parameters = _collect(found, lambda: structure(_parameters(body), TextParameters))
    if request is not None:
        found += _incomplete(request.messages)
    if found or request is None or parameters is None:
        raise InvalidRequest.of(_as_named(body, found))
    return request, parameters


def _collect(found: list[Violation], check: Callable[[], T]) -> T | None:
    try:
        return check()
    except InvalidRequest as error:
        found += error.violations
        return None


def _not_carried(body: Mapping[str, Any]) -> Iterator[Violation]:
    for name in NEUTRAL.keys() & body.keys():
        if (value := body[name]) is not None and value not in NEUTRAL[name]:
            allowed = " or ".join(map(repr, NEUTRAL[name]))
            hint = f" with another value than {allowed}" if allowed else ""
            yield Violation(pointer=f"/{name}", message=f"is not supported{hint}: leave it out")


def _incomplete(messages: tuple[ChatMessage, ...]) -> Iterator[Violation]:
    for i, it in enumerate(messages):
        if it.content is None and not (isinstance(it, AssistantMessage) and it.tool_calls):
            yield Violation(pointer=f"/messages/{i}/content", message="is required")


def _parameters(body: Mapping[str, Any]) -> dict[str, Any]:
    """The text parameters in a request, without those that ask for nothing."""
    given = {name: body[name] for name in TEXT_PARAMETERS & body.keys()}
    if body.get("max_completion_tokens") is not None:
        given["max_tokens"] = body["max_completion_tokens"]
    if isinstance(given.get("stop"), str):
        given["stop"] = [given["stop"]]
    if given.get("response_format") == {"type": "text"}:
        del given["response_format"]
    if not given.get("tools", True):
        del given["tools"]
    if "tools" not in given and given.get("tool_choice") in ("none", "auto"):
        del given["tool_choice"]
    return given


def _as_named(body: Mapping[str, Any], found: list[Violation]) -> list[Violation]:
    if body.get("max_completion_tokens") is None:
        return found
    return [evolve(it, pointer="/max_completion_tokens") if it.pointer == "/max_tokens" else it for it in found]


_ROLES: Mapping[str, Role] = {"system": Role.SYSTEM, "developer": Role.SYSTEM, "user": Role.USER}


def to_message(message: ChatMessage) -> Message:
    """A message as the domain has it."""
    if isinstance(message, ToldMessage):
        return Message(_ROLES[message.role], _parts(message))
    if isinstance(message, AssistantMessage):
        calls = tuple(
            ToolCallPart(id=call.id, name=call.function.name, arguments=call.function.arguments)
            for call in message.tool_calls or ()
        )
        return Message(Role.ASSISTANT, _parts(message) + calls)
    text = "".join(part.text for part in _parts(message) if isinstance(part, TextPart))
    return Message(Role.TOOL, (ToolResultPart(tool_call_id=message.tool_call_id, text=text),))


def _parts(message: ChatMessage) -> tuple[Part, ...]:
    content = message.content
    if isinstance(content, str):
        return (TextPart(content),)
    return tuple(map(_part, content or ()))


def _part(content: ChatText | ChatImage | ChatRefusal) -> Part:
    match content:
        case ChatText():
            return TextPart(content.text)
        case ChatImage():
            return ImagePart(content.image_url.url)
        case ChatRefusal():
            return TextPart(content.refusal)


def to_completion(generation: Generation) -> dict[str, Any]:
    """A finished generation as a `chat.completion`."""
    return {
        "id": generation.id,
        "object": "chat.completion",
        "created": int(generation.created_at.timestamp()),
        "model": generation.model.id,
        "choices": [
            {
                "index": 0,
                "message": _message(generation.result.output),
                "logprobs": None,
                "finish_reason": generation.result.finish_reason,
            }
        ],
        "usage": to_usage(generation.result.usage),
    } | to_state_token(generation)


def to_state_token(generation: Generation) -> dict[str, str]:
    """What a client of ours can go on from, if this was a turn; OpenAI's clients hand it on as an extra field."""
    return {"state_token": generation.state_token} if generation.state_token else {}


def _message(output: tuple[Part, ...]) -> dict[str, Any]:
    text = "".join(part.text for part in output if isinstance(part, TextPart))
    calls = [
        {"id": part.id, "type": "function", "function": {"name": part.name, "arguments": part.arguments}}
        for part in output
        if isinstance(part, ToolCallPart)
    ]
    message = {"role": "assistant", "content": text if text or not calls else None, "refusal": None}
    return message | ({"tool_calls": calls} if calls else {})


def to_tool_call(delta: ToolCallDelta) -> dict[str, Any]:
    """A piece of a tool call, as a stream has it."""
    function = {"arguments": delta.arguments}
    if not delta.id and not delta.name:
        return {"index": delta.index, "function": function}
    return {"index": delta.index, "id": delta.id, "type": "function", "function": {"name": delta.name, **function}}


def to_usage(usage: Usage) -> dict[str, Any]:
    """What a generation took."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
    }
