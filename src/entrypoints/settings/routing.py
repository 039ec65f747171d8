"""The tables `[routing]` and `[[routes]]`."""

from collections.abc import Mapping
from typing import Annotated

from attrs import field, frozen

from ...domain.parameters import Field


@frozen(kw_only=True)
class RoutingSettings:
    """How often and how long a request is tried, and when a model is left in peace."""

    attempts: Annotated[
        int, Field("How often one request is tried, over all of its models; 1: never again.", 1, 20)
    ] = 3
    deadline_s: Annotated[
        float, Field("How long a provider's first output may take, with all that is tried.", 1, 86_400, unit="seconds")
    ] = 600.0
    patience_s: Annotated[
        float,
        Field("How long a provider is waited for that says when to come again.", 0, 3_600, unit="seconds"),
    ] = 10.0
    failures: Annotated[int, Field("After so many failures in a row a model is left in peace.", 1, 1_000)] = 5
    cooldown_s: Annotated[
        float, Field("For how long at first; it doubles as long as it goes on to fail.", 1, 3_600, unit="seconds")
    ] = 30.0
    health_every_s: Annotated[
        float,
        Field("How often providers are asked about models that are left in peace; 0: never.", 0, 3_600, unit="seconds"),
    ] = 10.0


@frozen(kw_only=True)
class RouteSettings:
    """A model that stands for others: the first that can, answers."""

    name: Annotated[str, Field("What clients call it.", max_length=64, examples=("smart",))]
    models: Annotated[
        tuple[str | tuple[str, ...], ...],
        Field(
            "In the order of asking; those in a list of their own are equals.", examples=([["openai/gpt-5", "b"], "c"],)
        ),
    ]
    weights: Annotated[Mapping[str, float], Field("Of equals: how much of the work each gets; 1 if absent.")] = field(
        factory=dict
    )
    hedge_after_ms: Annotated[
        int | None,
        Field(
            "After so long without a first piece a second model is asked too; the faster one answers. Absent: never.",
            1,
            600_000,
            unit="milliseconds",
        ),
    ] = None
