"""Decoded JSON or TOML into attrs classes, checked, with everything that is wrong said at once.

The rules are the classes' own: their fields' types, and the bounds in `Annotated[…, Field(…)]`. Types are strict
(`"3"` is no number, `true` is no integer), keys that a class does not have are refused, and each violation names its
place by a JSON pointer. cattrs does the structuring; the hooks here make it strict and its errors readable.
"""

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import (
    AttributeValidationNote,
    ClassValidationError,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, make_mapping_structure_fn

from ..domain.errors import InvalidRequest, Violation
from ..domain.parameters import Field

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]


def structure(data: object, cls: type[T], *, at: str = "") -> T:
    """Make a `cls` of decoded JSON.

    Args:
        data: what the decoder gave.
        cls: an attrs class.
        at: the pointer of `data` in the whole document.

    Raises:
        InvalidRequest: with every violation.
    """
    try:
        return _CONVERTER.structure(data, cls)
    except (ClassValidationError, IterableValidationError, Mismatch) as error:
        violations = tuple(_violations(error, at))
        said = "; ".join(f"{violation.pointer or 'body'} {violation.message}" for violation in violations)
        raise InvalidRequest(detail=f"{said}.", violations=violations) from error


class Mismatch(ValueError):
    """A value is not what its place allows."""

    def __init__(self, message: str, allowed: tuple[str, ...] | None = None) -> None:
        """`allowed` lists the values that would do, where there are only some."""
        super().__init__(message)
        self.allowed = allowed


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _violations(error: BaseException, pointer: str) -> Iterator[Violation]:
    match error:
        case ClassValidationError() | IterableValidationError():
            for inner in error.exceptions:
                yield from _violations(inner, pointer + _step(inner))
        case ForbiddenExtraKeysError():
            allowed = tuple(attribute.name for attribute in attrs.fields(error.cl))
            for name in sorted(error.extra_fields):
                close = get_close_matches(name, allowed, n=1)
                hint = f", did you mean {close[0]!r}?" if close else f"; known here: {', '.join(allowed)}"
                yield Violation(pointer=f"{pointer}/{_escaped(name)}", message=f"is not known{hint}", allowed=allowed)
        case KeyError():
            yield Violation(pointer=pointer, message="is required")
        case Mismatch():
            yield Violation(pointer=pointer, message=str(error), allowed=error.allowed)
        case _:
            raise error


def _step(error: BaseException) -> str:
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return f"/{_escaped(note.name)}"
        if isinstance(note, IterableValidationNote):
            return f"/{_escaped(str(note.index))}"
    return ""


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


# ── Hooks ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_NAMES = {str: "a string", bool: "true or false", int: "a whole number", float: "a number"}


def _primitive(kind: type, accepted: tuple[type, ...]) -> Hook:
    message = f"must be {_NAMES[kind]}"

    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, accepted) and (kind is bool or not isinstance(value, bool)):
            return value
        raise Mismatch(f"{message}, not {_said(value)}")

    return hook


def _said(value: object) -> str:
    """A value in a few words: what was sent may be long, or secret."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def _annotated(hint: Any, converter: Converter) -> Hook:
    kind, *notes = get_args(hint)
    inner = converter.get_structure_hook(kind)
    bounds = [note for note in notes if isinstance(note, Field)]

    def hook(value: Any, _: Any) -> Any:
        structured = inner(value, kind)
        for field in bounds:
            if problem := field.problem(structured):
                raise Mismatch(problem)
        return structured

    return hook


def _class(cls: Any, converter: Converter) -> Hook:
    inner = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=True)

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise Mismatch(f"must be an object, not {_said(value)}")
        return inner(value, cls)

    return hook


def _sequence(hint: Any, converter: Converter) -> Hook:
    kind = get_args(hint)[0]
    inner = converter.get_structure_hook(kind)

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, list):
            raise Mismatch(f"must be a list, not {_said(value)}")
        items, errors = [], []
        for index, item in enumerate(value):
            try:
                items.append(inner(item, kind))
            except Exception as error:
                error.add_note(IterableValidationNote(f"at {index}", index, kind))
                errors.append(error)
        if errors:
            raise IterableValidationError("in a list", errors, hint)
        return tuple(items)

    return hook


def _mapping(hint: Any, converter: Converter) -> Hook:
    inner = make_mapping_structure_fn(hint, converter, dict)

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise Mismatch(f"must be an object, not {_said(value)}")
        return inner(value, hint)

    return hook


def _choice(allowed: tuple[Any, ...], make: Callable[[Any], Any]) -> Hook:
    names = tuple(str(value) for value in allowed)

    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, str | int) and value in allowed:
            return make(value)
        raise Mismatch(f"must be one of {', '.join(names)}", names)

    return hook


def _union(hint: Any, converter: Converter) -> Hook:
    """Decide by what JSON says: null, a string, a list, an object; among objects by their `type`."""
    members = [member for member in get_args(hint) if member is not NoneType]
    nullable = len(members) < len(get_args(hint))
    tagged = {tag: member for member in members if attrs.has(member) for tag in _tags(member)}
    by_shape = {_shape(member): (converter.get_structure_hook(member), member) for member in members}
    tag_names = tuple(tagged)

    def hook(value: Any, _: Any) -> Any:
        if value is None and nullable:
            return None
        if tagged and isinstance(value, dict):
            member = tagged.get(value.get("type", ""))
            if member is None:
                raise _at_type(f"must be one of {', '.join(tag_names)}", tag_names, hint)
            return converter.structure(value, member)
        inner, member = by_shape.get(_json_shape(value), (None, None))
        if inner is None:
            inner, member = next(iter(by_shape.values()))
        return inner(value, member)

    return hook


def _at_type(message: str, allowed: tuple[str, ...], hint: Any) -> ClassValidationError:
    error = Mismatch(message, allowed)
    error.add_note(AttributeValidationNote("at type", "type", str))
    return ClassValidationError("in a tagged object", [error], hint)


def _tags(cls: type) -> tuple[str, ...]:
    kind = attrs.fields_dict(cls).get("type")
    return get_args(kind.type) if kind is not None and get_origin(kind.type) is Literal else ()


def _shape(hint: Any) -> str:
    origin = get_origin(hint) or hint
    if origin is Annotated:
        return _shape(get_args(hint)[0])
    if origin in (int, float):
        return "number"
    if origin is tuple:
        return "list"
    return {str: "string", bool: "bool"}.get(origin, "object")


def _json_shape(value: object) -> str:
    shapes = ((bool, "bool"), (int, "number"), (float, "number"), (str, "string"), (list, "list"))
    return next((shape for kind, shape in shapes if isinstance(value, kind)), "object")


def _is(*origins: Any) -> Callable[[Any], bool]:
    return lambda hint: get_origin(hint) in origins


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _has_bounds(hint: Any) -> bool:
    return get_origin(hint) is Annotated and any(isinstance(note, Field) for note in get_args(hint))


def _literal(hint: Any, _: Converter) -> Hook:
    return _choice(get_args(hint), lambda value: value)


def _enum(hint: Any, _: Converter) -> Hook:
    return _choice(tuple(member.value for member in hint), hint)


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=True)
    # cattrs asks the hook that was registered last first.
    hooks: list[tuple[Callable[[Any], bool], Callable[[Any, Converter], Hook]]] = [
        (attrs.has, _class),
        (_is(tuple), _sequence),
        (_is(Mapping), _mapping),
        (_is(Union, UnionType), _union),
        (_is(Literal), _literal),
        (_is_enum, _enum),
        (_has_bounds, _annotated),
    ]
    for accepts, factory in hooks:
        converter.register_structure_hook_factory(accepts)(factory)
    for kind, accepted in {str: (str,), bool: (bool,), int: (int,), float: (int, float)}.items():
        converter.register_structure_hook(kind, _primitive(kind, accepted))
    return converter


_CONVERTER = _make_converter()
