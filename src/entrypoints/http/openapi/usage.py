"""What was used, as it is documented."""

from typing import Annotated, Final, Literal

from attrs import frozen

from ....domain.parameters import Field
from ....domain.usage import UsageGroup
from ..resources.usage import UsageWanted
from .failures import STORED
from .operation import Answer, Area, Operation


@frozen(kw_only=True)
class UsageShown:
    """What was used of one group."""

    object: Literal["usage"]
    group_by: UsageGroup
    group: Annotated[
        str, Field("A key's or a model's id, a provider's name, or a day of UTC.", examples=("2026-11-25",))
    ]
    generations: Annotated[int, Field("Generations that were answered.")]
    failed_attempts: Annotated[int, Field("Tries of models that came to nothing.")]
    cancelled: Annotated[int, Field("Generations that were stopped before their end.")]
    input_tokens: Annotated[int, Field("Tokens of what was asked, as backends counted them.")]
    output_tokens: Annotated[int, Field("Tokens of what was answered, as backends counted them.")]
    cached_input_tokens: Annotated[int, Field("Those of the input that were not computed again.")]
    estimated_tokens: Annotated[int, Field("Those of the input and the output that no backend counted.")]
    unfinished_tokens: Annotated[
        int, Field("Pieces of text of generations that failed or were cancelled, about a token each.")
    ]
    files: Annotated[int, Field("Pictures and meshes that were made.")]


USAGE: Final = Area(
    "Usage",
    "What was used, by whom, when, and of which model.",
    (
        Operation(
            method="GET",
            path="/v1/usage",
            id="getUsage",
            summary="What was used",
            description="One's own, or with the scope `admin` everybody's.",
            query=UsageWanted,
            answers={200: Answer(description="The groups, in the order of their names.", page=UsageShown)},
            errors=STORED,
        ),
    ),
)
