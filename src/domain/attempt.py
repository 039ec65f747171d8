"""An attempt: one try of one model, for the answer and for the audit."""

from typing import Final

from attrs import frozen

HEDGED_AWAY: Final = "hedged_away"
"""The status of a try that was ended because a model that was asked beside it brought something first."""


@frozen(kw_only=True)
class Attempt:
    """One try of one candidate; `status` is `ok`, the error's code, or `hedged_away`."""

    provider: str
    model: str
    status: str
    ms: int
