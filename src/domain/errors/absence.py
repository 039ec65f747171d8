"""There is no such thing here, or it is not yours."""

from attrs import define

from .gateway import GatewayError


@define(eq=False, kw_only=True)
class NotFound(GatewayError):
    """There is no such thing here."""

    code = "not_found"
    source = "client"

    @classmethod
    def of(cls, kind: str, name: str) -> "NotFound":
        """The error for a thing of `kind` that is not there, or that belongs to somebody else."""
        return cls(detail=f"There is no {kind} {name!r}.")


@define(eq=False, kw_only=True)
class SessionErased(NotFound):
    """The session was erased: its content is gone. `owner` is who may know that it was there."""

    code = "session_erased"
    owner: str = ""
