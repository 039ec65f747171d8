"""JSON Schema from the classes that requests are structured into: what is documented is what is checked."""

from collections.abc import Iterable, Mapping
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs

from ...domain.parameters import Field

_SIMPLE = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def object_schema(cls: type, names: Iterable[str] | None = None) -> dict[str, Any]:
    """The schema of a class, or of those of its fields that are named."""
    attributes = [it for it in attrs.fields(cls) if names is None or it.name in names]
    required = [it.name for it in attributes if it.default is attrs.NOTHING]
    return {
        "type": "object",
        "description": (cls.__doc__ or "").partition("\n")[0],
        "properties": {it.name: type_schema(it.type) for it in attributes},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def type_schema(wanted: Any) -> dict[str, Any]:
    """The schema of a type that may stand in such a class; that a value may be absent is not said again as `null`."""
    origin, arguments = get_origin(wanted) or wanted, get_args(wanted)
    if origin is Annotated:
        field = next(it for it in arguments[1:] if isinstance(it, Field))
        return _with_field(type_schema(arguments[0]), field)
    if origin in (Union, UnionType):
        members = [type_schema(it) for it in arguments if it is not NoneType]
        return members[0] if len(members) == 1 else {"anyOf": members}
    if origin is Literal:
        return {"type": "string", "enum": list(arguments)}
    if attrs.has(origin):
        return object_schema(origin)
    return _container(origin, arguments)


def _container(origin: Any, arguments: tuple[Any, ...]) -> dict[str, Any]:
    if origin is Any:
        return {}
    if origin is tuple:
        return {"type": "array", "items": type_schema(arguments[0])}
    if origin is Mapping:
        return {"type": "object", "additionalProperties": type_schema(arguments[1]) or True}
    if issubclass(origin, Enum):
        return {"type": "string", "enum": [member.value for member in origin]}
    return {"type": _SIMPLE[origin]}


_LENGTHS = {"string": "maxLength", "array": "maxItems", "object": "maxProperties"}


def _with_field(schema: dict[str, Any], field: Field) -> dict[str, Any]:
    facts = {
        "description": field.description,
        "minimum": field.minimum,
        "maximum": field.maximum,
        "x-unit": field.unit,
        "examples": list(field.examples) or None,
        _LENGTHS.get(schema.get("type", ""), "maxLength"): field.max_length,
    }
    return schema | {name: fact for name, fact in facts.items() if fact is not None}
