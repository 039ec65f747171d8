"""The tables `[[providers]]`."""

from collections.abc import Mapping
from typing import Annotated, Any

from attrs import field, frozen

from ...domain.parameters import Field


@frozen(kw_only=True)
class ProviderSettings:
    """A remote service that generates. Its models are named `<name>/<model>`."""

    name: Annotated[str, Field("The name of it here.", max_length=64, examples=("openai",))]
    models: Annotated[
        tuple[str, ...], Field("Its models by name, or by pattern with `*`.", examples=(["gpt-4o", "gpt-5*"],))
    ]
    base_url: Annotated[str, Field("Where its API begins.", examples=("https://api.example.com/v1",))]
    kind: Annotated[
        str, Field("What it speaks: `openai` or another kind of docs/providers.md, `module:Class`, or an entry point.")
    ] = "openai"
    api_key_env: Annotated[
        str | None, Field("Name of the environment variable that holds the key; the key itself never stands here.")
    ] = None
    max_concurrent: Annotated[
        int | None,
        Field("How much it is asked at once; as much again waits. Absent: no limit.", 1, 100_000, examples=(64,)),
    ] = None
    options: Annotated[Mapping[str, Any], Field("What only this kind of provider knows: docs/providers.md.")] = field(
        factory=dict
    )
