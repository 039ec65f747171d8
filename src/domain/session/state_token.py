"""State tokens: a client's hold on the state after one turn, to go on from there.

A token is secret, like a credential, and stands for what this file describes. Of kind `history` it says from which turn
to go on, and any model can, as the turns up to there are told to it again. Any other kind names what a backend keeps or
understands itself; only that provider's model can go on from it.
"""

from datetime import datetime
from hashlib import sha256

from attrs import frozen

from .. import errors
from ..generation import BackendState

HISTORY = "history"
AUTO = "auto"
"""What a client says instead of a token: go on from the newest state, and from the history where that cannot be had."""


@frozen(kw_only=True)
class StateToken:
    """What may be known of a token by whoever may read the session: everything but the token.

    `digest` is the hex sha256 of it; `provider` and `model` made the state.
    """

    digest: str
    kind: str
    provider: str
    model: str
    expires_at: datetime


@frozen(kw_only=True)
class HeldState:
    """A token, what it stands for, and what the backend goes on from; the first and the last are secrets."""

    session_id: str
    turn: int
    token: str
    state: StateToken
    backend: BackendState | None = None


def issue(
    token: str,
    *,
    session_id: str,
    turn: int,
    provider: str,
    model: str,
    expires_at: datetime,
    backend: BackendState | None = None,
) -> HeldState:
    """A token for the state after a turn; it expires earlier where the backend's state does."""
    ends = (expires_at, backend.expires_at) if backend and backend.expires_at else (expires_at,)
    state = StateToken(
        digest=digest_of(token),
        kind=backend.kind if backend else HISTORY,
        provider=provider,
        model=model,
        expires_at=min(ends),
    )
    return HeldState(session_id=session_id, turn=turn, token=token, state=state, backend=backend)


def digest_of(token: str) -> str:
    """By what a token is known without being shown."""
    return sha256(token.encode()).hexdigest()


def expect_usable(held: HeldState, *, provider: str, model: str, at: datetime) -> None:
    """Insist that `model` can go on from a state.

    Raises:
        StateTokenExpired: not any more.
        StateTokenMismatch: another model made it, and only that one understands it.
    """
    if held.state.expires_at <= at:
        raise errors.StateTokenExpired(
            detail=f"The state token expired at {held.state.expires_at:%Y-%m-%dT%H:%M:%SZ}: send a later one, or "
            f"{AUTO!r} to have the history told again."
        )
    if held.state.kind != HISTORY and (held.state.provider, held.state.model) != (provider, model):
        raise errors.StateTokenMismatch(
            detail=f"The state token is one of {held.state.model!r} and means nothing to {model!r}: name that model, "
            f"or send {AUTO!r} to have the history told again."
        )
