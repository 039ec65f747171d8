"""The one declaration of every generation parameter: its type, range, unit, description and examples.

Validation, the parameter documentation and the OpenAPI schema are all read from these classes, so that what is
documented is what is checked. `None` means "not given": the model's own default applies. Which of them a model honours
is said by `Model.parameters`.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from attrs import fields, frozen


@frozen(eq=False)  # part of types: equal and hashable by identity, whatever its examples are
class Field:
    """What a value may be, beyond its type, and what it means.

    `minimum` and `maximum` are inclusive and hold for numbers; `max_length` for strings, lists and maps.
    """

    description: str
    minimum: float | None = None
    maximum: float | None = None
    max_length: int | None = None
    unit: str | None = None
    examples: tuple[Any, ...] = ()

    def problem(self, value: object) -> str | None:
        """What is wrong with a value of the right type, or None."""
        if isinstance(value, int | float) and not isinstance(value, bool):
            if value != value:  # noqa: PLR0124 - NaN passes every comparison below
                return "must be a number, not NaN"
            if (self.minimum is not None and value < self.minimum) or (
                self.maximum is not None and value > self.maximum
            ):
                return f"must be {self.range}, not {_shown(value)}"
        if (
            self.max_length is not None
            and isinstance(value, str | tuple | list | Mapping)
            and len(value) > self.max_length
        ):
            what = "characters" if isinstance(value, str) else "entries"
            return f"must have at most {self.max_length} {what}, not {len(value)}"
        return None

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


@frozen(kw_only=True)
class TextParameters:
    """How to generate text."""

    max_tokens: Annotated[
        int | None,
        Field(
            "The most tokens to generate; the answer then ends with `length`.",
            1,
            1_000_000,
            unit="tokens",
            examples=(256,),
        ),
    ] = None
    temperature: Annotated[
        float | None,
        Field(
            "How freely tokens are drawn: 0 always takes the likeliest, higher values vary more.", 0, 2, examples=(0.7,)
        ),
    ] = None
    top_p: Annotated[
        float | None,
        Field("Draw only from the likeliest tokens whose probabilities add up to this.", 0, 1, examples=(0.95,)),
    ] = None
    top_k: Annotated[
        int | None, Field("Draw only from this many of the likeliest tokens.", 1, 1_000, unit="tokens", examples=(40,))
    ] = None
    min_p: Annotated[
        float | None,
        Field("Drop tokens less likely than this share of the likeliest one's probability.", 0, 1, examples=(0.05,)),
    ] = None
    repetition_penalty: Annotated[
        float | None,
        Field("Makes tokens that already occurred less likely above 1, likelier below it.", 0.1, 2, examples=(1.1,)),
    ] = None
    stop: Annotated[
        tuple[str, ...] | None,
        Field(
            "End before any of these strings would appear; they are not part of the output.",
            max_length=16,
            examples=(["\n\n"],),
        ),
    ] = None
    seed: Annotated[
        int | None,
        Field(
            "Start of the random draw; the same seed and request give the same output where the model allows it.",
            0,
            2**32 - 2,
            examples=(42,),
        ),
    ] = None
    response_format: Annotated[
        Mapping[str, Any] | None,
        Field(
            'Make the output JSON: `{"type":"json_object"}`, or '
            '`{"type":"json_schema","json_schema":{"name":…,"schema":…}}`.',
            max_length=8,
            examples=({"type": "json_object"},),
        ),
    ] = None
    tools: Annotated[
        tuple[Mapping[str, Any], ...] | None,
        Field(
            'Functions that the model may ask for, in OpenAI\'s form `{"type":"function","function":{…}}`.',
            max_length=128,
        ),
    ] = None
    tool_choice: Annotated[
        str | Mapping[str, Any] | None,
        Field("`auto`, `none`, `required`, or the one function to call.", examples=("auto",)),
    ] = None


TEXT_PARAMETERS = frozenset(attribute.name for attribute in fields(TextParameters))
"""The names of all text parameters."""


def given(parameters: TextParameters) -> dict[str, Any]:
    """The parameters that the request names, by name."""
    return {name: value for name in _ORDER if (value := getattr(parameters, name)) is not None}


_ORDER = tuple(attribute.name for attribute in fields(TextParameters))
