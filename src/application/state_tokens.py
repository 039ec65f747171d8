"""State tokens: something to go on from after each turn, and what becomes of one that comes back."""

from collections.abc import Callable
from datetime import datetime, timedelta

from attrs import define, frozen

from ..domain.access import Principal
from ..domain.errors import NotFound, StateTokenExpired, StateTokenInvalid, StateTokenMismatch
from ..domain.generation import BackendState, Completed
from ..domain.model import Model
from ..domain.session import AUTO, HISTORY, HeldState, Session, Turn, digest_of, expect_usable, issue
from .ports import SessionStore
from .turns import load_owned


@frozen(kw_only=True)
class Start:
    """Where a turn goes on from.

    `after` is the turn, or None for where the session is. `backend` is the state that the backend goes on from, which
    turn `state_of` gave. `fell_back` is the code of what kept it from doing so.
    """

    after: int | None = None
    state_of: int | None = None
    backend: BackendState | None = None
    fell_back: str | None = None


@define(kw_only=True)
class StateTokens:
    """Issues tokens that live for `keep`, and finds what those that come back stand for."""

    store: SessionStore
    new_token: Callable[[], str]
    keep: timedelta = timedelta(days=184)

    def issue(self, session: Session, result: Completed, model: Model, at: datetime) -> HeldState:
        """A token for the state after the session's running turn, which ends with `result`."""
        return issue(
            self.new_token(),
            session_id=session.id,
            turn=len(session.turns),
            provider=model.provider,
            model=model.id,
            expires_at=at + self.keep,
            backend=result.state,
        )

    async def find(self, token: str, principal: Principal, session_id: str | None) -> HeldState:
        """What a token stands for.

        Raises:
            StateTokenInvalid: it is none, or not of that session, or of somebody else's.
        """
        held = await self.store.state(digest_of(token))
        try:
            if held is None or session_id not in (None, held.session_id):
                raise NotFound
            await load_owned(self.store, held.session_id, principal.id)
        except NotFound as error:
            raise StateTokenInvalid(
                detail="The state token is none that is kept for this session (any more): send one that a turn of it "
                f"gave lately, or {AUTO!r}."
            ) from error
        return held

    async def start(self, session: Session, wanted: HeldState | str | None, model: Model, at: datetime) -> Start:
        """Where a turn of `model` goes on from: a state that was found, or by itself (`auto`), or the session's head.

        Raises:
            StateTokenExpired, StateTokenMismatch: that state cannot be gone on from by that model.
        """
        if isinstance(wanted, HeldState):
            expect_usable(wanted, provider=model.provider, model=model.id, at=at)
            return Start(after=wanted.turn, state_of=wanted.turn, backend=wanted.backend)
        if wanted is None or session.head is None:
            return Start()
        newest = session.turns[session.head - 1].state
        if newest is None or newest.kind == HISTORY:
            return Start()
        try:
            held = await self.store.state(newest.digest)
            if held is None:
                raise StateTokenExpired
            expect_usable(held, provider=model.provider, model=model.id, at=at)
        except (StateTokenExpired, StateTokenMismatch) as error:
            return Start(state_of=session.head, fell_back=error.code)
        return Start(state_of=session.head, backend=held.backend)

    async def token_of(self, turn: Turn) -> str | None:
        """The token that was given with a turn, if it is still kept."""
        held = await self.store.state(turn.state.digest) if turn.state else None
        return held.token if held else None


def selector_of(wanted: HeldState | str | None) -> str | None:
    """The model that a state asks for: the one that made it, where only that one understands it."""
    return wanted.state.model if isinstance(wanted, HeldState) and wanted.state.kind != HISTORY else None
