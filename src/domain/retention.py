"""How long what is over is kept: what of a session is due to be let go of, why, and since when.

A closed or archived session is due to be erased some days after it was closed; its state tokens, which are of no use to
anybody but an auditor, may be due before that. In an open session a token is due once it has expired. Nothing is ever
due of a session that is held. All of it is pure: what is stored and the time are passed in.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from attrs import frozen


@frozen(kw_only=True)
class RetentionPolicy:
    """Days after the closing of a session: `audit_days` until it is erased, `token_days` until its tokens are deleted.

    0 is at once. Without `audit_days`, no session is ever erased for its age.
    """

    audit_days: int | None = 184
    token_days: int = 184


class Disposal(StrEnum):
    """What of a session is let go of: all of it, or its state tokens only."""

    SESSION = "session"
    STATE_TOKENS = "state_tokens"


class Reason(StrEnum):
    """By which rule something is due: the name of the setting, or the token's own end."""

    AUDIT_DAYS = "audit_days"
    TOKEN_DAYS = "token_days"  # noqa: S105 - not a secret
    EXPIRED = "expired"


@frozen(kw_only=True)
class RetainedSession:
    """What retention looks at of a session.

    `closed_at` is None while it is open. `first_expiry` is when the first of its state tokens expires; None if it has
    none.
    """

    id: str
    owner: str
    closed_at: datetime | None = None
    held: bool = False
    first_expiry: datetime | None = None


@frozen(kw_only=True)
class Due:
    """Something to let go of, and since when that is so."""

    session_id: str
    what: Disposal
    since: datetime
    reason: Reason


def due(it: RetainedSession, policy: RetentionPolicy, *, at: datetime) -> Due | None:
    """What of a session is due at that moment; of one that is due to be erased, the tokens go with it."""
    if it.held:
        return None
    for what, since, reason in _ends(it, policy):
        if since <= at:
            return Due(session_id=it.id, what=what, since=since, reason=reason)
    return None


def _ends(it: RetainedSession, policy: RetentionPolicy) -> list[tuple[Disposal, datetime, Reason]]:
    if it.closed_at is None:
        return [(Disposal.STATE_TOKENS, it.first_expiry, Reason.EXPIRED)] if it.first_expiry else []
    ends = []
    if policy.audit_days is not None:
        ends.append((Disposal.SESSION, it.closed_at + timedelta(days=policy.audit_days), Reason.AUDIT_DAYS))
    if it.first_expiry:
        ends.append((Disposal.STATE_TOKENS, it.closed_at + timedelta(days=policy.token_days), Reason.TOKEN_DAYS))
    return ends
