"""A request as the body of `POST /v1/messages`: pure.

Anthropic wants turns of the user and the assistant to alternate, what the system says apart from them, and the results
of tools first in the turn that brings them. Text without any words is left out: it refuses such.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final

import msgspec
from attrs import frozen

from ....domain.errors import InvalidRequest
from ....domain.generation import (
    GenerationRequest,
    ImagePart,
    Message,
    Part,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from ....domain.parameters import TextParameters
from ..openai_forms import Function, OneFunction, choice, functions, json_output
from ..pictures.data_urls import inline
from ..verbatim import Verbatim

DEFAULT_MAX_TOKENS: Final = 8192
"""Anthropic requires a limit; every model since Claude 3.5 can give this many."""


@frozen(kw_only=True)
class Defaults:
    """What goes out where a request does not say it; `thinking` is Anthropic's own form."""

    max_tokens: int = DEFAULT_MAX_TOKENS
    thinking: Mapping[str, Any] | None = None


def to_wire(request: GenerationRequest, defaults: Defaults, shown: Verbatim) -> bytes:
    """The body; `shown` are answers that are to be shown as Anthropic wrote them.

    Raises:
        InvalidRequest: Anthropic has no such thing.
    """
    parameters = request.parameters_as(TextParameters)
    system = [block for message in request.messages if message.role is Role.SYSTEM for block in _texts(message)]
    body: dict[str, Any] = {
        "model": request.model.upstream,
        "max_tokens": parameters.max_tokens or defaults.max_tokens,
        "messages": _turns(request, shown),
        **_sampling(parameters),
        **_tools(parameters),
    }
    if system:
        body["system"] = system[0]["text"] if len(system) == 1 else system
    if defaults.thinking:
        body["thinking"] = defaults.thinking
    if parameters.response_format and (wanted := json_output(parameters.response_format)):
        if wanted.schema is None:
            raise InvalidRequest.at(
                "/parameters/response_format/type", "has no JSON without a schema at this provider", ("json_schema",)
            )
        body["output_config"] = {"format": {"type": "json_schema", "schema": wanted.schema}}
    if request.stream:
        body["stream"] = True
    return msgspec.json.encode(body)


# ── Parameters ────────────────────────────────────────────────────────────────────────────────────────────────────


def _sampling(parameters: TextParameters) -> dict[str, Any]:
    if parameters.temperature is not None and parameters.temperature > 1:
        raise InvalidRequest.at("/parameters/temperature", "must be between 0 and 1 for this model")
    wire = {
        "temperature": parameters.temperature,
        "top_p": parameters.top_p,
        "top_k": parameters.top_k,
        "stop_sequences": parameters.stop,
    }
    return {name: value for name, value in wire.items() if value is not None}


def _tools(parameters: TextParameters) -> dict[str, Any]:
    wire: dict[str, Any] = {}
    if parameters.tools:
        wire["tools"] = [_tool(function) for function in functions(parameters.tools)]
    if parameters.tool_choice is not None:
        wire["tool_choice"] = _choice(parameters.tool_choice)
    return wire


def _tool(function: Function) -> dict[str, Any]:
    return {
        "name": function.name,
        **({"description": function.description} if function.description else {}),
        "input_schema": function.schema or {"type": "object"},
        **({"strict": True} if function.strict else {}),
    }


def _choice(value: str | Mapping[str, Any]) -> dict[str, Any]:
    match choice(value):
        case OneFunction(name):
            return {"type": "tool", "name": name}
        case "required":
            return {"type": "any"}
        case known:
            return {"type": known}


# ── Messages ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _turns(request: GenerationRequest, shown: Verbatim) -> list[dict[str, Any]]:
    said = [(_speaker(message), _said(message, shown)) for message in request.messages]
    turns = [
        {"role": speaker, "content": _content(list(chain.from_iterable(blocks for _, blocks in turn)))}
        for speaker, turn in groupby(filter(itemgetter(1), said), itemgetter(0))
    ]
    if not turns:
        raise InvalidRequest.at("/input", "must say something")
    return turns


def _speaker(message: Message) -> str:
    return "assistant" if message.role is Role.ASSISTANT else "user"


def _said(message: Message, shown: Verbatim) -> list[Any]:
    """The blocks of a message; those of an answer as they were written, byte for byte, where they are kept."""
    if message.role is Role.SYSTEM:
        return []
    if message.role is Role.ASSISTANT and (content := shown.content(message)) is not None:
        return msgspec.json.decode(content, type=list[msgspec.Raw])
    return list(_blocks(message))


def _content(blocks: list[Any]) -> Any:
    """Results of tools first; text alone as a string, which is the same and shorter."""
    only = blocks[0] if len(blocks) == 1 else None
    if isinstance(only, dict) and only["type"] == "text":
        return only["text"]
    return sorted(blocks, key=lambda block: not (isinstance(block, dict) and block["type"] == "tool_result"))


def _blocks(message: Message) -> Iterator[dict[str, Any]]:
    return (block for part in message.parts for block in _block(part))


def _block(part: Part) -> Iterator[dict[str, Any]]:
    match part:
        case TextPart(text):
            if text.strip():
                yield {"type": "text", "text": text}
        case ImagePart(url):
            picture = inline(url)
            yield {
                "type": "image",
                "source": {"type": "base64", "media_type": picture.media_type, "data": picture.base64}
                if picture
                else {"type": "url", "url": url},
            }
        case ToolCallPart(id_, name, arguments):
            yield {"type": "tool_use", "id": id_, "name": name, "input": _input(arguments)}
        case ToolResultPart(call, text):
            yield {"type": "tool_result", "tool_use_id": call, "content": text}
        case _:  # kept files have become pictures or words before this
            return


def _texts(message: Message) -> Iterator[dict[str, Any]]:
    return (block for part in message.parts if isinstance(part, TextPart) for block in _block(part))


def _input(arguments: str) -> msgspec.Raw | dict[str, Any]:
    """Arguments as a model wrote them, which need not be JSON. Anthropic takes an object only: others stand in one."""
    try:
        is_object = isinstance(msgspec.json.decode(arguments), dict)
    except (msgspec.DecodeError, UnicodeError):
        is_object = False
    if is_object:
        return msgspec.Raw(arguments.encode())
    return {"arguments": arguments} if arguments else {}
