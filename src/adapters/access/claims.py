"""What a token's claims say of who shows it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from ...application.access_ports import Identity
from ...domain.access import Principal, Scope
from ...domain.errors import InvalidCredentials

LONGEST_SUBJECT = 255
"""As OpenID Connect Core 1.0 has it."""


@frozen(kw_only=True)
class ClaimRules:
    """How claims are read. `issuer` is what the issuer is called here: subjects of different ones are not the same.

    `scope_claim` names the claim with the scopes, a list or words; of nested ones with dots (`realm_access.roles`). A
    scope counts without `scope_prefix`. Claims with other scopes than ours are common, and these are passed over.
    """

    issuer: str
    scope_claim: str = "scope"
    scope_prefix: str = ""
    method: str = "oidc"

    def identity(self, claims: Mapping[str, Any], until: datetime) -> Identity:
        """Who the claims are about.

        Raises:
            InvalidCredentials: nobody.
        """
        subject = claims.get("sub")
        if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
            raise InvalidCredentials(detail="The token does not say who it is about.")
        if claims.get("cnf") is not None:
            raise InvalidCredentials(detail="The token is bound to a key of its owner's, which is not checked here.")
        principal_id = f"{self.issuer}:{subject}"
        principal = Principal(id=principal_id, method=self.method, scopes=self._scopes(claims), account=principal_id)
        return Identity(principal=principal, until=until)

    def _scopes(self, claims: Mapping[str, Any]) -> frozenset[Scope]:
        value: Any = claims
        for name in self.scope_claim.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        names = value.split() if isinstance(value, str) else value if isinstance(value, list) else []
        known = {scope.value: scope for scope in Scope}
        mine = [
            it.removeprefix(self.scope_prefix)
            for it in names
            if isinstance(it, str) and it.startswith(self.scope_prefix)
        ]
        return frozenset(known[name] for name in mine if name in known)


def until(seconds: float, *, at_most: datetime) -> datetime:
    """A claim's time, or `at_most` if that is earlier."""
    return at_most if seconds >= at_most.timestamp() else datetime.fromtimestamp(max(seconds, 0), UTC)
