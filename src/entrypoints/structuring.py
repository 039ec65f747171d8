"""From decoded JSON or TOML to attrs classes: the one place where what comes from outside is checked.

The classes are the declaration: their types, and the bounds of `Annotated[…, Field(…)]`. Nothing is converted but an
int where a float is wanted, a float without a fraction where an int is (to JSON both are the same number), and a list
to a tuple. Built on cattrs, which finds the hook of each type once; all that is wrong with an invalid value is said at
once, each thing with its JSON pointer (RFC 6901).

A union is told apart by the kind of the JSON value, and several classes in one by a `Literal` field that all of them
have (`type: Literal["text"]`).
"""

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from enum import StrEnum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin

import attrs
from cattrs import Converter, ForbiddenExtraKeysError
from cattrs.errors import ClassValidationError
from cattrs.gen import make_dict_structure_fn, override

from ..domain.errors import InvalidRequest, Violation
from ..domain.parameters import Field

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]

MOST_VIOLATIONS = 64
"""Where checking a list or map stops, so that a huge invalid request is refused as quickly as a small one."""

LARGEST_EXACT = 2**53
"""Beyond this a float is not one number."""

_SHOWN = 64  # characters of a wrong value or key that a message repeats


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
    except _Refused as refused:
        raise InvalidRequest.of([attrs.evolve(it, pointer=at + it.pointer) for it in refused.violations]) from None


class _Refused(Exception):
    """A value is not valid; the pointers are relative to it."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__()
        self.violations = violations


def _refuse(message: str, allowed: Iterable[str] | None = None) -> NoReturn:
    raise _Refused([Violation(pointer="", message=message, allowed=None if allowed is None else tuple(allowed))])


def _within(key: object, violations: Iterable[Violation]) -> list[Violation]:
    step = "/" + str(key).replace("~", "~0").replace("/", "~1")
    return [attrs.evolve(it, pointer=step + it.pointer) for it in violations]


# ── What a value is called, in Python and to people ───────────────────────────────────────────────────────────────

_NAMES: Mapping[type, str] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
    NoneType: "null",
}


def _name(value: object) -> str:
    return "a boolean" if type(value) is bool else _NAMES.get(type(value), f"a {type(value).__name__}")


def _json_types(wanted: Any) -> tuple[type, ...]:
    """The decoder's types among which a value of the type `wanted`, no union, can be."""
    origin = get_origin(wanted) or wanted
    if origin is Annotated:
        return _json_types(get_args(wanted)[0])
    if origin is Literal or (isinstance(origin, type) and issubclass(origin, StrEnum)):
        return (str,)
    if attrs.has(origin):
        return (dict,)
    return {Mapping: (dict,), tuple: (list,), int: (int, float), float: (int, float)}.get(origin, (origin,))


# ── Simple values ─────────────────────────────────────────────────────────────────────────────────────────────────


def _exactly(cls: type) -> Hook:
    def structure_exactly(value: Any, _: Any) -> Any:
        if type(value) is not cls:
            _refuse(f"must be {_NAMES[cls]}, not {_name(value)}")
        return value

    return structure_exactly


def _int(value: Any, _: Any) -> int:
    if type(value) is int:
        return value
    if type(value) is float and value.is_integer() and abs(value) <= LARGEST_EXACT:
        return int(value)
    _refuse(f"must be a whole number, not {_name(value)}")


def _float(value: Any, _: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is not int:
        _refuse(f"must be a number, not {_name(value)}")
    try:
        return float(value)
    except OverflowError:
        _refuse("must be a number of ordinary size")


def _one_of(members: Mapping[str, Any]) -> Hook:
    choice = ", ".join(map(repr, members))

    def structure_one_of(value: Any, _: Any) -> Any:
        if type(value) is not str or value not in members:
            shown = repr(value[:_SHOWN]) if type(value) is str else _name(value)
            _refuse(f"must be {'one of ' if len(members) > 1 else ''}{choice}, not {shown}", members)
        return members[value]

    return structure_one_of


@cache
def _members(cls: type[StrEnum]) -> Hook:
    return _one_of({member.value: member for member in cls})


def _enum(value: Any, cls: type[StrEnum]) -> Any:
    return _members(cls)(value, cls)


def _literal(wanted: Any, _: Converter) -> Hook:
    return _one_of({value: value for value in get_args(wanted)})


# ── Lists, maps, bounds, unions, classes ──────────────────────────────────────────────────────────────────────────


def _tuple(wanted: Any, converter: Converter) -> Hook:
    item_type = get_args(wanted)[0]
    hook = converter.get_structure_hook(item_type)

    def structure_tuple(value: Any, _: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            _refuse(f"must be a list, not {_name(value)}")
        try:
            return tuple([hook(item, item_type) for item in value])
        except _Refused:
            raise _Refused(_violations((i, partial(hook, item, item_type)) for i, item in enumerate(value))) from None

    return structure_tuple


def _mapping(wanted: Any, converter: Converter) -> Hook:
    key_type, value_type = get_args(wanted)
    key_hook, value_hook = converter.get_structure_hook(key_type), converter.get_structure_hook(value_type)

    def entry(key: Any, value: Any) -> tuple[Any, Any]:
        return key_hook(key, key_type), value_hook(value, value_type)

    def structure_mapping(value: Any, _: Any) -> dict[Any, Any]:
        if type(value) is not dict:
            _refuse(f"must be an object, not {_name(value)}")
        try:
            return {key_hook(key, key_type): value_hook(item, value_type) for key, item in value.items()}
        except _Refused:
            raise _Refused(_violations((key, partial(entry, key, item)) for key, item in value.items())) from None

    return structure_mapping


def _violations(checks: Iterable[tuple[object, Callable[[], object]]]) -> list[Violation]:
    found: list[Violation] = []
    for key, check in checks:
        try:
            check()
        except _Refused as refused:
            found += _within(key, refused.violations)
            if len(found) >= MOST_VIOLATIONS:
                break
    return found


def _annotated(wanted: Any, converter: Converter) -> Hook:
    inner, *notes = get_args(wanted)
    hook = converter.get_structure_hook(inner)
    field = next((note for note in notes if isinstance(note, Field)), None)
    if field is None:
        return hook

    def structure_bounded(value: Any, _: Any) -> Any:
        if type(value) is list or type(value) is dict:
            if problem := field.problem(value):
                _refuse(problem)  # before its entries are looked at: there may be millions
            return hook(value, inner)
        result = hook(value, inner)
        if result is not None and (problem := field.problem(result)):
            _refuse(problem)
        return result

    return structure_bounded


def _union(wanted: Any, converter: Converter) -> Hook:
    classes = [member for member in get_args(wanted) if attrs.has(member)]
    hooks: dict[type, tuple[Hook, Any]] = {dict: (_tagged(classes, converter), wanted)} if len(classes) > 1 else {}
    for member in get_args(wanted):
        if member in classes and len(classes) > 1:
            continue
        for json_type in _json_types(member):
            if json_type in hooks:
                raise TypeError(f"{wanted!r}: two members are written as {_NAMES[json_type]}")
            hooks[json_type] = converter.get_structure_hook(member), member
    names = " or ".join(_NAMES[json_type] for json_type in hooks if json_type is not NoneType)

    def structure_union(value: Any, _: Any) -> Any:
        found = hooks.get(type(value))
        if found is None:
            _refuse(f"must be {names}, not {_name(value)}")
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
    one_of_them = _one_of(by_value)

    def structure_tagged(value: Any, _: Any) -> Any:
        if tag not in value:
            raise _Refused([Violation(pointer=f"/{tag}", message="is required", allowed=tuple(by_value))])
        try:
            cls, hook = one_of_them(value[tag], None)
        except _Refused as refused:
            raise _Refused(_within(tag, refused.violations)) from None
        return hook(value, cls)

    return structure_tagged


def written_name(name: str) -> str:
    """What an attribute is called outside: a keyword of Python, such as `from`, has an underscore behind it here."""
    return name.removesuffix("_")


def _class(cls: Any, converter: Converter) -> Hook:
    """By what a value names, which is a few of the fields; what is not valid is gone through again, field by field."""
    renamed: dict[str, Any] = {
        it.name: override(rename=written_name(it.name)) for it in attrs.fields(cls) if it.name.endswith("_")
    }
    examined = make_dict_structure_fn(cls, converter, _cattrs_forbid_extra_keys=converter.forbid_extra_keys, **renamed)
    fields = {
        written_name(it.name): (it.alias, converter.get_structure_hook(it.type), it.type) for it in attrs.fields(cls)
    }
    lenient = not converter.forbid_extra_keys

    def structure_class(value: Any, _: Any) -> Any:
        if type(value) is not dict:
            _refuse(f"must be an object, not {_name(value)}")
        try:
            named = [(*fields[key], item) for key, item in value.items() if key in fields or not lenient]
            return cls(**{alias: hook(item, kind) for alias, hook, kind, item in named})
        except (_Refused, KeyError, TypeError):
            return examine(value)

    def examine(value: Any) -> Any:
        try:
            return examined(value, cls)
        except ClassValidationError as error:
            raise _Refused(list(_of_class(error, value))) from None

    return structure_class


def _of_class(error: ClassValidationError, value: Mapping[str, Any]) -> Iterable[Violation]:
    of_fields, others = error.group_exceptions()
    for other in others:
        if not isinstance(other, ForbiddenExtraKeysError):
            raise other
        unknown = [key for key in value if key in other.extra_fields]
        yield from (_unknown(key, other.cl) for key in unknown[:MOST_VIOLATIONS])
    for cause, note in of_fields:
        if isinstance(cause, _Refused):
            yield from _within(written_name(note.name), cause.violations)
        elif isinstance(cause, KeyError) and note.name not in value:
            yield Violation(pointer=f"/{note.name}", message="is required")
        else:
            raise cause


def _unknown(key: str, cls: type) -> Violation:
    names = tuple(written_name(attribute.name) for attribute in attrs.fields(cls))
    close = get_close_matches(key[:_SHOWN], names, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
    return _within(key[:_SHOWN], [Violation(pointer="", message=f"is not known; {hint}", allowed=names)])[0]


def _converter(*, ignore_unknown: bool) -> Converter:
    converter = Converter(forbid_extra_keys=not ignore_unknown)
    for cls in (str, bool, NoneType):
        converter.register_structure_hook(cls, _exactly(cls))
    converter.register_structure_hook(int, _int)
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook(StrEnum, _enum)  # or they would count as strings
    factories: list[tuple[Callable[[Any], bool], Callable[[Any, Converter], Hook]]] = [
        (attrs.has, _class),
        (lambda it: get_origin(it) is Literal, _literal),
        (lambda it: get_origin(it) is tuple, _tuple),
        (lambda it: get_origin(it) is Mapping, _mapping),
        (lambda it: get_origin(it) in (Union, UnionType), _union),
        (lambda it: get_origin(it) is Annotated, _annotated),
    ]
    for predicate, factory in factories:
        converter.register_structure_hook_factory(predicate, factory)
    return converter


_STRICT = _converter(ignore_unknown=False)
_LENIENT = _converter(ignore_unknown=True)
