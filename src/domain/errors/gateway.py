"""The root of the tree, and what is said of one thing that is wrong."""

from typing import ClassVar, Literal

from attrs import define, field, frozen

from ..attempt import Attempt

Source = Literal["client", "gateway", "provider", "runner"]


@frozen(kw_only=True)
class Violation:
    """One thing wrong with a request: where (a JSON pointer, RFC 6901), what, and what is allowed there."""

    pointer: str
    message: str
    allowed: tuple[str, ...] | None = None


@define(eq=False, kw_only=True)
class GatewayError(Exception):
    """The gateway could not do this. `attempts` are what was tried of a generation."""

    code: ClassVar[str] = "internal_error"
    source: ClassVar[Source] = "gateway"
    retryable: ClassVar[bool] = False
    falls_back: ClassVar[bool] = False

    detail: str = field(default="")
    retry_after_s: float | None = field(default=None)
    attempts: tuple[Attempt, ...] = field(default=())

    def __str__(self) -> str:
        """The sentence a user reads: the detail, or what the class says of itself."""
        return self.detail or (type(self).__doc__ or "").strip().partition("\n")[0]
