"""Let go of what was kept long enough: sessions are erased, state tokens deleted."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Protocol

from attrs import define, frozen

from ..domain import session as rules
from ..domain.errors import GatewayError, NotFound, Unavailable, VersionConflict
from ..domain.retention import Disposal, Due, Reason, RetainedSession, RetentionPolicy, due
from ..domain.session import Session
from .erasure import Eraser
from .ports import Clock, Erasure, Provenance, SessionStore
from .turns import SessionLocks, to_its_end

BATCH = 200
"""How many sessions are looked for at once."""


class RetentionStore(Protocol):
    """What is old among the stored sessions. Implemented by what implements `SessionStore`."""

    async def overdue(
        self, policy: RetentionPolicy, at: datetime, *, limit: int, after: str = ""
    ) -> Sequence[RetainedSession]:
        """The sessions of which something is due at that moment, in the order of their ids, those following `after`."""
        ...

    async def forget_states(self, session_id: str, *, expired_by: datetime | None = None) -> int:
        """Delete the session's state tokens, or only those that have expired by that moment.

        None of a session that is held at the moment of the deletion, or that there is not.

        Returns:
            How many were deleted.
        """
        ...


@frozen(kw_only=True)
class LetGo:
    """What was done: so many state tokens are gone, and with an `erasure`, its receipt, the whole session is."""

    due: Due
    state_tokens: int
    erasure: Erasure | None = None


@frozen
class Skipped:
    """What is due and was not done; it is tried again by the next run."""

    due: Due
    error: GatewayError


@frozen(kw_only=True)
class RetentionReport:
    """One run: what was due at `at`, and what became of it; in a dry run, nothing.

    What is in the `plan` and neither `done` nor `skipped` was done by another process meanwhile. With `has_more`, the
    run ended at its limit.
    """

    request_id: str
    dry_run: bool
    at: datetime
    policy: RetentionPolicy
    plan: tuple[Due, ...]
    done: tuple[LetGo, ...]
    skipped: tuple[Skipped, ...]
    has_more: bool


@define(kw_only=True)
class Retention:
    """Carries out the policy. Any number of processes may do it at once."""

    store: SessionStore
    retained: RetentionStore
    eraser: Eraser
    policy: RetentionPolicy
    locks: SessionLocks
    clock: Clock

    async def run(self, request_id: str, *, dry_run: bool, limit: int | None = None) -> RetentionReport:
        """Let go of what is due, or only say what that is.

        What fails is skipped, and so is what somebody works on or has taken hold of meanwhile; only `limit` sessions
        are let go of, however many are skipped. `request_id` is stored with each erasure, whose actor is the system.

        Raises:
            Unavailable: the store is away, full or closed. What was done until then stays done.
        """
        at, has_more = self.clock(), False
        provenance = Provenance(actor="system", method="retention", request_id=request_id)
        plan, done, skipped = list[Due](), list[LetGo](), list[Skipped]()
        async with aclosing(self._overdue(at)) as overdue:
            async for session, what in overdue:
                if limit is not None and len(plan if dry_run else done) >= limit:
                    has_more = True
                    break
                plan.append(what)
                match None if dry_run else await self._attempt(session, what, at, provenance):
                    case LetGo() as gone:
                        done.append(gone)
                    case Skipped() as left:
                        skipped.append(left)
        return RetentionReport(
            request_id=request_id,
            dry_run=dry_run,
            at=at,
            policy=self.policy,
            plan=tuple(plan),
            done=tuple(done),
            skipped=tuple(skipped),
            has_more=has_more,
        )

    async def _overdue(self, at: datetime) -> AsyncGenerator[tuple[RetainedSession, Due], None]:
        after = ""
        while batch := await self.retained.overdue(self.policy, at, limit=BATCH, after=after):
            for session in batch:
                if what := due(session, self.policy, at=at):
                    yield session, what
            after = batch[-1].id

    async def _attempt(
        self, session: RetainedSession, what: Due, at: datetime, provenance: Provenance
    ) -> LetGo | Skipped | None:
        """Do it; None if another process was quicker, or the session has moved on."""
        try:
            if what.what is Disposal.SESSION:
                erasure = await self._erase(session, at, provenance)
                return LetGo(due=what, state_tokens=erasure.state_tokens, erasure=erasure)
            expired_by = at if what.reason is Reason.EXPIRED else None
            forgotten = await to_its_end(self.retained.forget_states(session.id, expired_by=expired_by))
            return LetGo(due=what, state_tokens=forgotten) if forgotten else None
        except (NotFound, VersionConflict):
            return None
        except Unavailable:
            raise
        except GatewayError as error:
            return Skipped(what, error)

    async def _erase(self, listed: RetainedSession, at: datetime, provenance: Provenance) -> Erasure:
        async with self.locks.hold(listed.id, listed.owner):
            session = await self.store.load(listed.id)
            self._expect_due(session, at)
            (erased,) = rules.erase(session, at=self.clock())
            return await self.eraser.erase(session, erased, provenance)

    def _expect_due(self, session: Session, at: datetime) -> None:
        """Insist that the events say so too: the list may have been altered, and nothing brings back what is erased."""
        known = RetainedSession(id=session.id, owner=session.owner, closed_at=session.closed_at)
        if due(known, self.policy, at=at) is None:
            raise GatewayError(
                detail=f"The list has session {session.id} closed earlier than its events say: verify it."
            )
