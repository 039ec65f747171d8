"""A request for text as the body of `generateContent`: pure.

Gemini calls the assistant `model`, and wants its turns and those of the user to alternate. A result names its function,
so that is looked up among the calls before it.
"""

from collections.abc import Iterator, Mapping
from itertools import chain, groupby
from mimetypes import guess_type
from operator import itemgetter
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

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
from ..model_names import fits
from ..openai_forms import Function, OneFunction, choice, functions, json_output
from ..pictures.data_urls import inline
from ..verbatim import Verbatim

MOST_STOPS: Final = 5
LARGEST_SEED: Final = 2**31 - 1

MADE: Final = "unnamed_"
"""How the ids begin that calls are given here, because Gemini's older models give them none."""

SIGNED: Final = ("gemini-[3-9]*", "gemini-*-latest")
"""The models that refuse a call of the turn that they go on with, if it is not signed."""

UNKNOWN_SIGNATURE: Final = "skip_thought_signature_validator"
"""What Google has for calls without a signature, because another model made them, or the state was not sent."""

MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def to_wire(request: GenerationRequest, shown: Verbatim) -> bytes:
    """The body; `shown` are answers that are to be shown as Gemini wrote them.

    Raises:
        InvalidRequest: Gemini has no such thing.
    """
    parameters = request.parameters_as(TextParameters)
    body: dict[str, Any] = {"contents": _turns(request, shown)}
    system = [part for message in request.messages if message.role is Role.SYSTEM for part in _texts(message)]
    if system:
        body["systemInstruction"] = {"parts": system}
    if config := _config(parameters):
        body["generationConfig"] = config
    if parameters.tools:
        body["tools"] = [{"functionDeclarations": [_declared(it) for it in functions(parameters.tools)]}]
    if parameters.tool_choice is not None:
        body["toolConfig"] = {"functionCallingConfig": _choice(parameters.tool_choice)}
    return msgspec.json.encode(body)


# ── Parameters ────────────────────────────────────────────────────────────────────────────────────────────────────


def expect_seed(seed: int | None) -> None:
    """Insist on a seed that Gemini has.

    Raises:
        InvalidRequest: it is larger.
    """
    if seed is not None and seed > LARGEST_SEED:
        raise InvalidRequest.at("/parameters/seed", f"must be at most {LARGEST_SEED} for this model")


def _config(parameters: TextParameters) -> dict[str, Any]:
    expect_seed(parameters.seed)
    if parameters.stop and len(parameters.stop) > MOST_STOPS:
        raise InvalidRequest.at("/parameters/stop", f"must have at most {MOST_STOPS} entries for this model")
    wire: dict[str, Any] = {
        "temperature": parameters.temperature,
        "topP": parameters.top_p,
        "topK": parameters.top_k,
        "maxOutputTokens": parameters.max_tokens,
        "stopSequences": parameters.stop,
        "seed": parameters.seed,
    }
    config = {name: value for name, value in wire.items() if value is not None}
    if parameters.response_format and (wanted := json_output(parameters.response_format)):
        config["responseMimeType"] = "application/json"
        if wanted.schema is not None:
            config["responseJsonSchema"] = wanted.schema
    return config


def _declared(function: Function) -> dict[str, Any]:
    return {
        "name": function.name,
        **({"description": function.description} if function.description else {}),
        **({"parametersJsonSchema": function.schema} if function.schema else {}),
    }


def _choice(value: str | Mapping[str, Any]) -> dict[str, Any]:
    match choice(value):
        case OneFunction(name):
            return {"mode": "ANY", "allowedFunctionNames": [name]}
        case known:
            return {"mode": MODES[known]}


# ── Messages ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _turns(request: GenerationRequest, shown: Verbatim) -> list[dict[str, Any]]:
    called = {
        part.id: part.name for message in request.messages for part in message.parts if isinstance(part, ToolCallPart)
    }
    signed = fits(request.model.upstream, SIGNED)
    said = [(_speaker(message), _said(message, shown, called, signed=signed)) for message in request.messages]
    turns = [
        {"role": speaker, "parts": list(chain.from_iterable(parts for _, parts in turn))}
        for speaker, turn in groupby(filter(itemgetter(1), said), itemgetter(0))
    ]
    if not turns:
        raise InvalidRequest.at("/input", "must say something")
    return turns


def _speaker(message: Message) -> str:
    return "model" if message.role is Role.ASSISTANT else "user"


def _said(message: Message, shown: Verbatim, called: Mapping[str, str], *, signed: bool) -> list[Any]:
    """The parts of a message; those of an answer as they were written, byte for byte, where they are kept."""
    if message.role is Role.SYSTEM:
        return []
    if message.role is Role.ASSISTANT and (content := shown.content(message)) is not None:
        return msgspec.json.decode(content, type=list[msgspec.Raw])
    parts = [wire for part in message.parts for wire in _part(part, called)]
    first_call = next((part for part in parts if "functionCall" in part), None)
    if signed and first_call:
        first_call["thoughtSignature"] = UNKNOWN_SIGNATURE
    return parts


def _part(part: Part, called: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    match part:
        case TextPart(text):
            if text:
                yield {"text": text}
        case ImagePart(url):
            yield _picture(url)
        case ToolCallPart(id_, name, arguments):
            yield {"functionCall": {**_id(id_), "name": name, "args": _object(arguments, "arguments")}}
        case ToolResultPart(call, text):
            if (function := called.get(call)) is None:
                raise InvalidRequest.at("/input", f"has a result for {call!r}, which nothing before it called")
            yield {"functionResponse": {**_id(call), "name": function, "response": _object(text, "output")}}
        case _:  # kept files have become pictures or words before this
            return


def _id(call: str) -> dict[str, str]:
    return {} if call.startswith(MADE) else {"id": call}


def _texts(message: Message) -> Iterator[dict[str, Any]]:
    return (wire for part in message.parts if isinstance(part, TextPart) for wire in _part(part, {}))


def _picture(url: str) -> dict[str, Any]:
    """A picture that stands in the request; or one that Gemini fetches, by what its name says that it is."""
    if picture := inline(url):
        return {"inlineData": {"mimeType": picture.media_type, "data": picture.base64}}
    media_type, _ = guess_type(urlsplit(url).path)
    return {"fileData": {"fileUri": url, **({"mimeType": media_type} if media_type else {})}}


def _object(text: str, name: str) -> msgspec.Raw | dict[str, Any]:
    """An object of JSON as it was written. Gemini takes nothing else, so anything else stands in one, under a name."""
    try:
        is_object = isinstance(msgspec.json.decode(text), dict)
    except (msgspec.DecodeError, UnicodeError):
        is_object = False
    if is_object:
        return msgspec.Raw(text.encode())
    return {name: text} if text or name == "output" else {}
