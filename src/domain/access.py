"""Who asks, and what they may do."""

from enum import StrEnum
from fnmatch import fnmatchcase

from attrs import frozen

from .errors import InsufficientScope, ModelNotAllowed


class Scope(StrEnum):
    """Something that a principal may be allowed to do; none of them includes another."""

    GENERATE = "generate"
    SESSIONS = "sessions"
    MODELS_READ = "models:read"
    MODELS_ADMIN = "models:admin"
    ARTIFACTS = "artifacts"
    AUDIT = "audit"
    """Read what others did, and nothing but read; each such read is recorded."""
    AUDIT_TOKENS = "audit:tokens"
    """See state tokens, which are secrets: whoever has one goes on from its state."""
    ADMIN = "admin"


@frozen(kw_only=True)
class Limits:
    """How much may be asked; None means as much as there is.

    `tokens_per_minute` are those of inputs and outputs together; a request is admitted as long as the minute has some
    left, so that its own may go beyond. `concurrent` requests for generations are at work at once.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None


NO_LIMITS = Limits()


@frozen(kw_only=True)
class Principal:
    """Somebody on whose behalf a request is made; `id` owns the sessions that it opens.

    `models` are the ids that they may ask, or patterns of such; None means all. `limits` are counted for `account`: the
    key that was shown, or the principal.
    """

    id: str
    method: str
    scopes: frozenset[Scope] = frozenset()
    models: tuple[str, ...] | None = None
    limits: Limits = NO_LIMITS
    account: str = ""

    def may_read(self, owner: str) -> bool:
        """Whether they may read, and read only, what belongs to `owner`."""
        return owner == self.id or Scope.AUDIT in self.scopes

    def may_ask(self, model_id: str) -> bool:
        """Whether they may ask that model."""
        return self.models is None or any(fnmatchcase(model_id, pattern) for pattern in self.models)

    def may_see(self, model_id: str) -> bool:
        """Whether they are told that there is such a model: those who may ask it, and those who look after models."""
        return Scope.MODELS_ADMIN in self.scopes or self.may_ask(model_id)

    def require_model(self, model_id: str) -> None:
        """Insist on that.

        Raises:
            ModelNotAllowed: they may not.
        """
        if not self.may_ask(model_id):
            raise ModelNotAllowed(
                detail=f"Your credentials are not for model {model_id!r}, but for {', '.join(self.models or ())}."
            )

    def require(self, scope: Scope) -> None:
        """Insist on a scope.

        Raises:
            InsufficientScope: they do not have it.
        """
        if scope not in self.scopes:
            raise InsufficientScope(detail=f"This needs the scope {scope.value!r}, which your credentials do not have.")


LOCAL_OPERATOR = Principal(id="local", method="loopback", scopes=frozenset(Scope))
"""Whoever can reach a service that has no credentials configured, and therefore listens on loopback only."""
