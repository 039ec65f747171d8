"""What a parameter may be and what it means, declared once: validation, documentation and OpenAPI are read from it."""

import re
from collections.abc import Mapping
from typing import Any

from attrs import frozen

_NUMBERS, _SIZED = (int, float), (str, tuple, list, Mapping)  # to make a union takes longer than to ask


@frozen(eq=False)  # part of types: equal and hashable by identity, whatever its examples are
class Field:
    """What a value may be, beyond its type, and what it means.

    `minimum` and `maximum` are inclusive and hold for numbers; `min_length` and `max_length` for strings, lists and
    maps. `pattern` is what the whole of a string must match. A `format`, as JSON Schema names it, is for whoever reads
    the string to check.
    """

    description: str
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    unit: str | None = None
    examples: tuple[Any, ...] = ()
    min_length: int | None = None
    pattern: str | None = None
    format: str | None = None

    def problem(self, value: object) -> str | None:
        """What is wrong with a value of the right type, or None."""
        if isinstance(value, _NUMBERS) and not isinstance(value, bool):
            if value != value:  # noqa: PLR0124 - NaN passes every comparison below
                return "must be a number, not NaN"
            if (self.minimum is not None and value < self.minimum) or (
                self.maximum is not None and value > self.maximum
            ):
                return f"must be {self.range}, not {_shown(value)}"
        if isinstance(value, _SIZED):
            return self._problem_of_length(value) or self._problem_of_form(value)
        return None

    def _problem_of_length(self, value: str | tuple[Any, ...] | list[Any] | Mapping[Any, Any]) -> str | None:
        what = "characters" if isinstance(value, str) else "entries"
        if self.max_length is not None and len(value) > self.max_length:
            return f"must have at most {self.max_length} {what}, not {len(value)}"
        if self.min_length is not None and len(value) < self.min_length:
            return f"must have at least {self.min_length} {what}, not {len(value)}"
        return None

    def _problem_of_form(self, value: object) -> str | None:
        if self.pattern is None or not isinstance(value, str) or re.fullmatch(self.pattern, value):
            return None
        return f"must match {self.pattern}"

    @property
    def range(self) -> str:
        """The numeric bounds in words, such as `between 0 and 2`."""
        if self.minimum is None:
            return f"at most {_shown(self.maximum or 0)}"
        if self.maximum is None:
            return f"at least {_shown(self.minimum)}"
        return f"between {_shown(self.minimum)} and {_shown(self.maximum)}"


def _shown(number: float) -> str:
    if abs(number) >= 2**64:
        return "a number that large"
    return str(number) if number % 1 else str(int(number))
