"""Unions: told apart by the kind of the JSON value, and several classes by a `Literal` field that all of them have."""

from collections.abc import Mapping
from enum import StrEnum
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

import attrs
from cattrs import Converter

from ...domain.errors import Violation
from .refusal import NAMES, Hook, Refused, name_of, refuse, within
from .simple import one_of


def union(wanted: Any, converter: Converter) -> Hook:
    """Of `X | Y`: by the kind of the JSON value."""
    classes = [member for member in get_args(wanted) if attrs.has(member)]
    hooks: dict[type, tuple[Hook, Any]] = {dict: (_tagged(classes, converter), wanted)} if len(classes) > 1 else {}
    for member in get_args(wanted):
        if member in classes and len(classes) > 1:
            continue
        for json_type in _json_types(member):
            if json_type in hooks:
                raise TypeError(f"{wanted!r}: two members are written as {NAMES[json_type]}")
            hooks[json_type] = converter.get_structure_hook(member), member
    kinds = dict.fromkeys(_json_types(member)[0] for member in get_args(wanted) if member is not NoneType)
    names = " or ".join(NAMES[kind] for kind in kinds)

    def structure_union(value: Any, _: Any) -> Any:
        found = hooks.get(type(value))
        if found is None:
            refuse(f"must be {names}, not {name_of(value)}")
        hook, member = found
        return hook(value, member)

    return structure_union


def _tagged(classes: list[Any], converter: Converter) -> Hook:
    tag = next(it.name for it in attrs.fields(classes[0]) if get_origin(it.type) is Literal)
    by_value = {
        value: (cls, converter.get_structure_hook(cls))
        for cls in classes
        for value in get_args(attrs.fields_dict(cls)[tag].type)
    }
    one_of_them = one_of(by_value)

    def structure_tagged(value: Any, _: Any) -> Any:
        if tag not in value:
            raise Refused([Violation(pointer=f"/{tag}", message="is required", allowed=tuple(by_value))])
        try:
            cls, hook = one_of_them(value[tag], None)
        except Refused as refused:
            raise Refused(within(tag, refused.violations)) from None
        return hook(value, cls)

    return structure_tagged


def _json_types(wanted: Any) -> tuple[type, ...]:
    """The decoder's types among which a value of the type `wanted`, no union, can be; the one it is called by first."""
    origin = get_origin(wanted) or wanted
    if origin is Annotated:
        return _json_types(get_args(wanted)[0])
    if origin is Literal or (isinstance(origin, type) and issubclass(origin, StrEnum)):
        return (str,)
    if attrs.has(origin):
        return (dict,)
    return {Mapping: (dict,), tuple: (list,), int: (int, float), float: (float, int)}.get(origin, (origin,))
