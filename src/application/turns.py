"""Turns of sessions: one at a time in each, begun before a model is called and always ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import TypeVar

from attrs import define, evolve, field

from ..domain import session as rules
from ..domain.attempt import Attempt
from ..domain.errors import GatewayError, NotFound, SessionBusy, SessionErased
from ..domain.generation import Completed, SessionRef, Timing
from ..domain.idempotency import KeyUse
from ..domain.model import Model
from ..domain.session import HeldState, Session, SessionEvent, TurnStatus
from .ports import Clock, Provenance, SessionStore
from .telemetry import Observer, Unobserved

T = TypeVar("T")

WARN_AT = 0.8
"""The share of a session's events after which its turns warn that it will be full."""


class SessionLocks:
    """A lock for each session that somebody in this process works on, given in the order of asking."""

    def __init__(self, wait_s: float) -> None:
        """`wait_s` is how long to wait for a session before giving up."""
        self._wait_s = wait_s
        self._locks: dict[tuple[str, str], asyncio.Lock] = {}
        self._users: dict[tuple[str, str], int] = {}

    @asynccontextmanager
    async def hold(self, session_id: str, principal_id: str) -> AsyncIterator[None]:
        """Hold the session's lock, as that principal sees it: whoever does not own a session never waits for it.

        Raises:
            SessionBusy: it was not free in time.
        """
        place = (principal_id, session_id)
        lock = self._locks.setdefault(place, asyncio.Lock())
        self._users[place] = self._users.get(place, 0) + 1
        try:
            try:
                async with asyncio.timeout(self._wait_s):
                    await lock.acquire()
            except TimeoutError:
                raise SessionBusy(
                    detail=f"Another turn of session {session_id} did not end within {self._wait_s:g} s.",
                    retry_after_s=1,
                ) from None
            try:
                yield
            finally:
                lock.release()
        finally:
            self._users[place] -= 1
            if not self._users[place]:
                del self._users[place], self._locks[place]


@define
class SessionTurn:
    """A turn that has begun: end it by `complete` or `fail`."""

    session: Session
    _store: SessionStore
    _clock: Clock
    _provenance: Provenance
    _max_events: int
    _observer: Observer

    @property
    def reference(self) -> SessionRef:
        """The turn's place, with the session's version as it is now."""
        version = self.session.version
        warning = (
            f"The session has {version} of the {self._max_events} events that a session may have: go on in a new one, "
            "opened with continued_from, or in a fork."
        )
        return SessionRef(
            id=self.session.id,
            turn=len(self.session.turns),
            version=version,
            warning=warning if version > WARN_AT * self._max_events else None,
        )

    @property
    def ended_without_result(self) -> bool:
        """Whether it is stored that it ended without a result."""
        return not self.session.active_turn and self.session.turns[-1].status is not TurnStatus.COMPLETED

    async def complete(
        self, result: Completed, model: Model, attempts: tuple[Attempt, ...], timing: Timing, held: HeldState
    ) -> None:
        """Store the result, and what can be gone on from after it; once this returns, both are durable."""
        await self.append(
            rules.complete_turn(
                self.session,
                result,
                provider=model.provider,
                model=model.id,
                model_version=model.version,
                attempts=attempts,
                timing=timing,
                state=held.state,
                at=self._clock(),
            ),
            held=held,
        )

    async def fall_back(self, state_of: int, code: str) -> None:
        """Store that the turn is told the history, as the state after turn `state_of` could not be gone on from."""
        await self.append(rules.fall_back(self.session, state_of=state_of, code=code, at=self._clock()))

    async def fail(self, code: str, detail: str, attempts: tuple[Attempt, ...] = ()) -> None:
        """Store that there is no result; nothing, if the turn has ended already."""
        if self.session.active_turn:
            await self.append(
                rules.fail_turn(self.session, code=code, detail=detail, attempts=attempts, at=self._clock())
            )

    async def append(
        self, events: Sequence[SessionEvent], key_use: KeyUse | None = None, held: HeldState | None = None
    ) -> None:
        """Store events; a caller that is cancelled meanwhile learns of it after they are stored.

        What follows the turn's beginning was caused by it.
        """
        begun = self.session.active_turn
        cause = rules.event_id(self.session.id, begun.version) if begun else None

        async def append() -> None:
            provenance, begun = evolve(self._provenance, causation_id=cause), perf_counter()
            self.session = await self._store.append(self.session, events, provenance, key_use=key_use, state=held)
            self._observer.stored(perf_counter() - begun)

        await to_its_end(append())


@define(kw_only=True)
class SessionTurns:
    """Gives the turns of sessions, each of which may have `max_events`."""

    store: SessionStore
    clock: Clock
    locks: SessionLocks
    max_events: int = 10_000
    observer: Observer = field(factory=Unobserved)

    @asynccontextmanager
    async def begin(
        self,
        session_id: str,
        provenance: Provenance,
        decide: Callable[[Session], Awaitable[Sequence[SessionEvent]]],
        key_use: KeyUse | None = None,
    ) -> AsyncIterator[SessionTurn]:
        """Begin a turn by the events that `decide` returns; leaving the context without an end cancels the turn.

        Raises:
            NotFound: there is no such session, or it is not the actor's.
            SessionBusy: another turn did not end in time.
            IdempotencyInProgress: the key has come to stand for another turn meanwhile.
        """
        async with self.locks.hold(session_id, provenance.actor):
            session = await load_owned(self.store, session_id, provenance.actor)
            turn = SessionTurn(session, self.store, self.clock, provenance, self.max_events, self.observer)
            try:
                events = await decide(session)
                await turn.append(events, evolve(key_use, turn=len(session.turns) + 1) if key_use else None)
                yield turn
            except GatewayError as error:
                await turn.fail(error.code, str(error))
                raise
            except Exception:
                await turn.fail("internal_error", "The gateway failed.")
                raise
            finally:
                await turn.fail(rules.CANCELLED, "The client went away, or the service stopped, before the turn ended.")


def owned(session: Session, principal_id: str) -> Session:
    """The session, if it is theirs.

    Raises:
        NotFound: it is somebody else's; whether it exists is not told.
    """
    if session.owner != principal_id:
        raise NotFound.of("session", session.id)
    return session


async def load_owned(
    store: SessionStore, session_id: str, principal_id: str, *, at_version: int | None = None
) -> Session:
    """The session, if it is theirs, as it is or as it was at a version.

    Raises:
        NotFound: it is somebody else's, or not there, or never had that version.
        SessionErased: it was theirs.
    """
    try:
        session = owned(await store.load(session_id), principal_id)
        # Asked only now: which versions there are is not for others to know either.
        return session if at_version is None else await store.load(session_id, at_version=at_version)
    except SessionErased as error:
        if error.owner != principal_id:
            raise NotFound.of("session", session_id) from error
        raise


async def to_its_end(work: Awaitable[T]) -> T:
    """Wait for `work` even when the caller is cancelled meanwhile, and be cancelled only then.

    A write that has begun is so never left in the dark: whoever cancels waits for its outcome.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            await asyncio.wait({task})
        raise
