"""From decoded JSON or TOML to attrs classes: the one place where what comes from outside is checked.

The classes are the declaration: their types, and the bounds of `Annotated[…, Field(…)]`. Nothing is converted but an
int where a float is wanted, a float without a fraction where an int is (to JSON both are the same number), and a list
to a tuple. Built on cattrs, which finds the hook of each type once; all that is wrong with an invalid value is said at
once, each thing with its JSON pointer (RFC 6901).

A union is told apart by the kind of the JSON value, and several classes in one by a `Literal` field that all of them
have (`type: Literal["text"]`).
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_origin

import attrs
from cattrs import Converter

from ...domain.errors import InvalidRequest
from .classes import instance, written_name
from .containers import bounded, list_of, mapping
from .refusal import MOST_VIOLATIONS, Hook, Refused
from .simple import enum, exactly, literal, number, whole_number
from .unions import union

__all__ = ["MOST_VIOLATIONS", "structure", "written_name"]

T = TypeVar("T")


def structure(data: object, cls: type[T], *, at: str = "", ignore_unknown: bool = False) -> T:
    """Make an instance of an attrs class.

    Args:
        data: what the JSON or TOML decoder returned.
        cls: the class, or any type that may stand in one.
        at: JSON pointer of `data` in the request, for the messages.
        ignore_unknown: pass over keys that the class does not have, instead of refusing them.

    Raises:
        InvalidRequest: with everything that is wrong.
    """
    converter = _LENIENT if ignore_unknown else _STRICT
    try:
        return converter.structure(data, cls)
    except Refused as refused:
        raise InvalidRequest.of([attrs.evolve(it, pointer=at + it.pointer) for it in refused.violations]) from None


def _converter(*, ignore_unknown: bool) -> Converter:
    converter = Converter(forbid_extra_keys=not ignore_unknown)
    for cls in (str, bool, NoneType):
        converter.register_structure_hook(cls, exactly(cls))
    converter.register_structure_hook(int, whole_number)
    converter.register_structure_hook(float, number)
    converter.register_structure_hook(StrEnum, enum)  # or they would count as strings
    factories: list[tuple[Callable[[Any], bool], Callable[[Any, Converter], Hook]]] = [
        (attrs.has, instance),
        (lambda it: get_origin(it) is Literal, literal),
        (lambda it: get_origin(it) is tuple, list_of),
        (lambda it: get_origin(it) is Mapping, mapping),
        (lambda it: get_origin(it) in (Union, UnionType), union),
        (lambda it: get_origin(it) is Annotated, bounded),
    ]
    for predicate, factory in factories:
        converter.register_structure_hook_factory(predicate, factory)
    return converter


_STRICT = _converter(ignore_unknown=False)
_LENIENT = _converter(ignore_unknown=True)
