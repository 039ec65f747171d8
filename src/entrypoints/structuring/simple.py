"""Strings, numbers, booleans, null, and choices of a few strings."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from typing import Any, get_args

from cattrs import Converter

from .refusal import NAMES, SHOWN, Hook, name_of, refuse

LARGEST_EXACT = 2**53
"""Beyond this a float is not one number."""


def exactly(cls: type) -> Hook:
    """A value of this type and no other."""

    def structure_exactly(value: Any, _: Any) -> Any:
        if type(value) is not cls:
            refuse(f"must be {NAMES[cls]}, not {name_of(value)}")
        return value

    return structure_exactly


def whole_number(value: Any, _: Any) -> int:
    """An int, or a float that is one."""
    if type(value) is float and value.is_integer() and abs(value) <= LARGEST_EXACT:
        return int(value)
    if type(value) is not int:
        refuse(f"must be a whole number, not {value if type(value) is float else name_of(value)}")
    return value


def number(value: Any, _: Any) -> float:
    """A float, or an int that is one."""
    if type(value) is float:
        return value
    if type(value) is not int:
        refuse(f"must be a number, not {name_of(value)}")
    try:
        return float(value)
    except OverflowError:
        refuse("must be a number of ordinary size")


def one_of(members: Mapping[str, Any]) -> Hook:
    """One of these strings, and what it stands for."""
    choice = ", ".join(map(repr, members))

    def structure_one_of(value: Any, _: Any) -> Any:
        if type(value) is not str or value not in members:
            shown = repr(value[:SHOWN]) if type(value) is str else name_of(value)
            refuse(f"must be {'one of ' if len(members) > 1 else ''}{choice}, not {shown}", members)
        return members[value]

    return structure_one_of


@cache
def _members(cls: type[StrEnum]) -> Hook:
    return one_of({member.value: member for member in cls})


def enum(value: Any, cls: type[StrEnum]) -> Any:
    """A member of an enumeration, by its value."""
    return _members(cls)(value, cls)


def literal(wanted: Any, _: Converter) -> Hook:
    """Of `Literal[…]`: one of these strings."""
    return one_of({value: value for value in get_args(wanted)})
