"""What is wrong with a value, and where in it."""

from collections.abc import Callable, Iterable, Mapping
from types import NoneType
from typing import Any, NoReturn

import attrs

from ...domain.errors import Violation

Hook = Callable[[Any, Any], Any]
"""Makes a value of what the decoder returned; the second argument is the type that is wanted (as cattrs has it)."""

MOST_VIOLATIONS = 64
"""Where checking a list or map stops, so that a huge invalid request is refused as quickly as a small one."""

SHOWN = 64
"""Characters of a wrong value or key that a message repeats."""

NAMES: Mapping[type, str] = {
    str: "a string",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "an object",
    NoneType: "null",
}


def name_of(value: object) -> str:
    """What people call a value of its kind."""
    return "a boolean" if type(value) is bool else NAMES.get(type(value), f"a {type(value).__name__}")


class Refused(Exception):
    """A value is not valid; the pointers are relative to it."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__()
        self.violations = violations


def refuse(message: str, allowed: Iterable[str] | None = None) -> NoReturn:
    """Say that the value at hand is not valid; `allowed` is what is."""
    raise Refused([Violation(pointer="", message=message, allowed=None if allowed is None else tuple(allowed))])


def within(key: object, violations: Iterable[Violation]) -> list[Violation]:
    """The violations as seen from one level above, where the value is at `key`."""
    step = "/" + str(key).replace("~", "~0").replace("/", "~1")
    return [attrs.evolve(it, pointer=step + it.pointer) for it in violations]


def violations_of(checks: Iterable[tuple[object, Callable[[], object]]]) -> list[Violation]:
    """All violations of what is checked under each key, up to about `MOST_VIOLATIONS`."""
    found: list[Violation] = []
    for key, check in checks:
        try:
            check()
        except Refused as refused:
            found += within(key, refused.violations)
            if len(found) >= MOST_VIOLATIONS:
                break
    return found
