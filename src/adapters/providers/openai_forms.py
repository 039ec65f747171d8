"""Parameters that clients write in OpenAI's forms, read for vendors that have forms of their own."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from attrs import frozen

from ...domain.errors import InvalidRequest

FORMATS: Final = ("text", "json_object", "json_schema")


@frozen(kw_only=True)
class Function:
    """One of `tools`; `schema` is the JSON schema of its arguments. `strict`: the vendor is to insist on it."""

    name: str
    description: str | None
    schema: Mapping[str, Any] | None
    strict: bool


@frozen
class OneFunction:
    """The function that must be called."""

    name: str


Choice = Literal["auto", "none", "required"] | OneFunction

CHOICES: Final[Mapping[str, Choice]] = {"auto": "auto", "none": "none", "required": "required"}


@frozen(kw_only=True)
class JsonOutput:
    """What `response_format` asks for: JSON, by a schema if there is one."""

    schema: Mapping[str, Any] | None


def functions(tools: Sequence[Mapping[str, Any]]) -> list[Function]:
    """The functions that `tools` names.

    Raises:
        InvalidRequest: one is no function, or has no name.
    """
    return [_function(tool, f"/parameters/tools/{place}") for place, tool in enumerate(tools)]


def choice(value: str | Mapping[str, Any]) -> Choice:
    """What `tool_choice` says.

    Raises:
        InvalidRequest: nothing that is known.
    """
    if isinstance(value, Mapping):
        function = value.get("function")
        if value.get("type") == "function" and isinstance(function, Mapping):
            return OneFunction(_text(function, "name", "/parameters/tool_choice/function"))
    elif known := CHOICES.get(value):
        return known
    raise InvalidRequest.at("/parameters/tool_choice", "is not known", (*CHOICES, '{"type":"function",…}'))


def json_output(response_format: Mapping[str, Any]) -> JsonOutput | None:
    """What `response_format` asks for; None if that is text.

    Raises:
        InvalidRequest: it is of no known type, or a schema without one.
    """
    pointer = "/parameters/response_format"
    match response_format.get("type"):
        case "text":
            return None
        case "json_object":
            return JsonOutput(schema=None)
        case "json_schema":
            named = response_format.get("json_schema")
            schema = named.get("schema") if isinstance(named, Mapping) else None
            if not isinstance(schema, Mapping):
                raise InvalidRequest.at(f"{pointer}/json_schema/schema", "must be a JSON schema")
            return JsonOutput(schema=schema)
        case _:
            raise InvalidRequest.at(f"{pointer}/type", "is not known", FORMATS)


def _function(tool: Mapping[str, Any], pointer: str) -> Function:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, Mapping):
        raise InvalidRequest.at(pointer, "must be a function", ('{"type":"function","function":{…}}',))
    description, schema = function.get("description"), function.get("parameters")
    if not isinstance(schema, Mapping | None):
        raise InvalidRequest.at(f"{pointer}/function/parameters", "must be a JSON schema")
    return Function(
        name=_text(function, "name", f"{pointer}/function"),
        description=description if isinstance(description, str) else None,
        schema=schema,
        strict=function.get("strict") is True,
    )


def _text(values: Mapping[str, Any], key: str, pointer: str) -> str:
    value = values.get(key)
    if not isinstance(value, str) or not value:
        raise InvalidRequest.at(f"{pointer}/{key}", "must be a name")
    return value
