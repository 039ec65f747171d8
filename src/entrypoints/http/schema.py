"""JSON Schema from the classes that requests are structured into: what is documented is what is checked."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import attrs
from attrs import frozen

from ...domain.parameters import Field
from ..structuring import written_name

Schema = dict[str, Any]

_SIMPLE = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null", None: "null"}
_LENGTHS = {"string": "Length", "array": "Items", "object": "Properties"}


@frozen
class Schemas:
    """How schemas are written.

    `nulls`: say where `null` may stand; without it, that a value may be absent is not said again as `null`.
    `of_class` writes a class that stands in another one, such as a reference to it; absent: whole, where it stands.
    `closed`: say that objects have no other properties.
    """

    nulls: bool = False
    of_class: Callable[[type], Schema] | None = None
    closed: bool = True

    def of_object(self, cls: type, names: Iterable[str] | None = None) -> Schema:
        """The schema of a class, or of those of its fields that are named."""
        attributes = [it for it in attrs.fields(cls) if names is None or it.name in names]
        required = [written_name(it.name) for it in attributes if it.default is attrs.NOTHING]
        return {
            "type": "object",
            "description": (cls.__doc__ or "").partition("\n")[0],
            "properties": {written_name(it.name): self.of(it.type) for it in attributes},
            **({"required": required} if required else {}),
            **({"additionalProperties": False} if self.closed else {}),
        }

    def of(self, wanted: Any) -> Schema:
        """The schema of a type that may stand in such a class."""
        origin, arguments = get_origin(wanted) or wanted, get_args(wanted)
        if origin is Annotated:
            field = next(it for it in arguments[1:] if isinstance(it, Field))
            return _with_field(self.of(arguments[0]), field)
        if origin in (Union, UnionType):
            schema = self._of_union([it for it in arguments if it is not NoneType])
            return _or_null(schema) if self.nulls and NoneType in arguments else schema
        if origin is Literal:
            return {"type": _SIMPLE[type(arguments[0])], "enum": list(arguments)}
        if attrs.has(origin):
            return (self.of_class or self.of_object)(origin)
        return self._container(origin, arguments)

    def _of_union(self, members: list[Any]) -> Schema:
        schemas = [self.of(it) for it in members]
        if len(schemas) == 1:
            return schemas[0]
        tag = _tag(members)
        if tag is None or self.of_class is None:
            return {"anyOf": schemas}
        mapping = {value: self.of(it)["$ref"] for it in members for value in _tagged(it, tag)}
        return {"oneOf": schemas, "discriminator": {"propertyName": tag, "mapping": mapping}}

    def _container(self, origin: Any, arguments: tuple[Any, ...]) -> Schema:
        if origin in (Any, object):
            return {}
        if origin is tuple:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is Mapping:
            return self._of_mapping(*arguments)
        if origin is datetime:
            return {"type": "string", "format": "date-time"}
        if origin in _SIMPLE:
            return {"type": _SIMPLE[origin]}
        if issubclass(origin, Enum):
            return {"type": "string", "enum": [member.value for member in origin]}
        raise TypeError(f"{origin!r} cannot be written as JSON Schema")

    def _of_mapping(self, key: Any, value: Any) -> Schema:
        schema: Schema = {"type": "object", "additionalProperties": self.of(value) or True}
        return schema if key is str else schema | {"propertyNames": self.of(key)}


_INLINE = Schemas()
object_schema = _INLINE.of_object
type_schema = _INLINE.of


def _tag(members: list[Any]) -> str | None:
    """The `Literal` field by which the classes of a union are told apart, if they are classes and all have it."""
    if not all(attrs.has(it) for it in members):
        return None
    named = [[it.name for it in attrs.fields(cls) if get_origin(it.type) is Literal] for cls in members]
    return next((name for name in named[0] if all(name in others for others in named)), None)


def _tagged(cls: Any, tag: str) -> tuple[Any, ...]:
    return get_args(attrs.fields_dict(cls)[tag].type)


def _or_null(schema: Schema) -> Schema:
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]} if schema else schema
    known = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return schema | {"type": [schema["type"], "null"]} | known


def _with_field(schema: Schema, field: Field) -> Schema:
    kind = schema.get("type", "string")
    length = _LENGTHS.get(kind if isinstance(kind, str) else kind[0], "Length")
    facts = {
        "description": field.description,
        "minimum": field.minimum,
        "maximum": field.maximum,
        "x-unit": field.unit,
        "examples": list(field.examples) or None,
        "format": field.format,
        "pattern": field.pattern and f"^(?:{field.pattern})$",
        f"min{length}": field.min_length,
        f"max{length}": field.max_length,
    }
    return schema | {name: fact for name, fact in facts.items() if fact is not None}
