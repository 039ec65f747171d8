"""How to generate text."""

from collections.abc import Mapping
from typing import Annotated, Any

from attrs import frozen

from .field import Field


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
            examples=(
                [
                    {
                        "type": "function",
                        "function": {
                            "name": "weather",
                            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
                        },
                    }
                ],
            ),
        ),
    ] = None
    tool_choice: Annotated[
        str | Mapping[str, Any] | None,
        Field("`auto`, `none`, `required`, or the one function to call.", examples=("auto",)),
    ] = None
