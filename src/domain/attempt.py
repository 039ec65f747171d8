"""An attempt: one try of one model, for the answer and for the audit."""

from attrs import frozen


@frozen(kw_only=True)
class Attempt:
    """One try of one candidate; `status` is `ok` or the error's code."""

    provider: str
    model: str
    status: str
    ms: int
