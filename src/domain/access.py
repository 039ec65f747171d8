"""Who asks, and what they may do."""

from enum import StrEnum

from attrs import frozen

from .errors import InsufficientScope


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
class Principal:
    """Somebody on whose behalf a request is made; `id` owns the sessions that it opens."""

    id: str
    method: str
    scopes: frozenset[Scope] = frozenset()

    def may_read(self, owner: str) -> bool:
        """Whether they may read, and read only, what belongs to `owner`."""
        return owner == self.id or Scope.AUDIT in self.scopes

    def require(self, scope: Scope) -> None:
        """Insist on a scope.

        Raises:
            InsufficientScope: they do not have it.
        """
        if scope not in self.scopes:
            raise InsufficientScope(detail=f"This needs the scope {scope.value!r}, which your credentials do not have.")


LOCAL_OPERATOR = Principal(id="local", method="loopback", scopes=frozenset(Scope))
"""Whoever can reach a service that has no credentials configured, and therefore listens on loopback only."""
