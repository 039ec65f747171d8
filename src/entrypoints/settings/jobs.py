"""The table `[jobs]`."""

from typing import Annotated

from attrs import frozen

from ...domain.parameters import Field


@frozen(kw_only=True)
class JobSettings:
    """Generations in the background."""

    parallel: Annotated[
        int, Field("How many of them are handed to one model at once; its own queue says when each begins.", 1, 256)
    ] = 4
    queue_limit: Annotated[int, Field("How many may wait for one model; more are refused.", 1, 1_000_000)] = 256
    keep_days: Annotated[int, Field("How long what became of them can be looked at.", 1, 3_650, unit="days")] = 7
