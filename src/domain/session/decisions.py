"""What may happen next in a session: each decision returns new events, or raises.

    nothing ──SessionOpened──▶ open ──SessionClosed──▶ closed ──SessionArchived──▶ archived
                               │  ▲                             ▲
                 TurnRequested ▼  │ TurnCompleted · TurnFailed  │ SessionArchived
                             open, with an active turn      from open too, when no turn runs

`SessionReset` starts a new context in an open session; earlier turns stay in its history. A turn that failed, was
cancelled or was interrupted stays in the history too, and never enters the context. A turn may go on from any one that
ended well; the session then goes on from there. A session in any state can be forked and continued, held and released:
all four are told in it, and change nothing else. Any session whose turns have ended, and that nobody holds, can be
erased.
"""

from collections.abc import Mapping
from datetime import datetime

from attrs import evolve, frozen

from .. import errors
from ..attempt import Attempt
from ..generation import Completed, Message, Timing
from ..model import Modality
from .context import ContextPolicy
from .events import (
    ContextCut,
    Origin,
    SessionArchived,
    SessionChanged,
    SessionClosed,
    SessionContinued,
    SessionErased,
    SessionEvent,
    SessionForked,
    SessionHeld,
    SessionOpened,
    SessionReleased,
    SessionReset,
    StateFellBack,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
)
from .state import Session, SessionStatus, told
from .state_token import StateToken
from .turn import Turn, TurnStatus

INTERRUPTED = "interrupted"
_EVENTS_OF_A_TURN = 2


def expect_version(session: Session, version: int | None) -> None:
    """Insist on a version that the caller has seen; `None` insists on nothing.

    Raises:
        VersionConflict: the session has moved on.
    """
    if version is not None and version != session.version:
        raise errors.VersionConflict(
            detail=f"Session {session.id} is at version {session.version}, not {version}: read it again, then retry."
        )


def request_turn(
    session: Session,
    *,
    generation_id: str,
    modality: Modality,
    model: str,
    messages: tuple[Message, ...],
    parameters: Mapping[str, object],
    metadata: Mapping[str, str],
    at: datetime,
    continues: int | None = None,
    max_events: int = 10_000,
) -> tuple[SessionEvent, ...]:
    """Begin the next turn; what its context leaves out is said first.

    `continues` is the turn to go on from, if that is not where the session is. `max_events` is how many events a
    session may have: the turn's end must fit in too.

    Raises:
        SessionClosed: the session no longer takes turns.
        SessionBusy: another turn has not ended.
        SessionFull: the session has no room for another turn.
    """
    expect_open(session)
    _expect_idle(session, "asked")
    number = len(session.turns) + 1
    cut = _cut(session, messages, number, continues, at)
    if session.version + len(cut) + _EVENTS_OF_A_TURN > max_events:
        raise errors.SessionFull(
            detail=f"Session {session.id} has {session.version} of the {max_events} events that a session may have: "
            "go on in a new one, opened with continued_from, or in a fork."
        )
    return (
        *cut,
        TurnRequested(
            turn=number,
            generation_id=generation_id,
            modality=modality,
            model=model,
            messages=messages,
            parameters=parameters,
            metadata=metadata,
            continues=continues,
            at=at,
        ),
    )


def _cut(
    session: Session, messages: tuple[Message, ...], number: int, after: int | None, at: datetime
) -> tuple[ContextCut, ...]:
    if session.context.limit is None:
        return ()
    candidates = [turn.number for turn in session.path(session.head if after is None else after)]
    left_out = candidates[: len(candidates) - len(told(session, messages, after=after))]
    return (ContextCut(turn=number, first=left_out[0], last=left_out[-1], at=at),) if left_out else ()


def fall_back(session: Session, *, state_of: int, code: str, at: datetime) -> tuple[SessionEvent, ...]:
    """Tell the active turn the history instead, since the state after turn `state_of` could not be gone on from."""
    return (StateFellBack(turn=_expect_active(session).number, state_of=state_of, code=code, at=at),)


def complete_turn(
    session: Session,
    result: Completed,
    *,
    provider: str,
    model: str,
    model_version: str | None,
    attempts: tuple[Attempt, ...],
    timing: Timing | None = None,
    state: StateToken | None = None,
    at: datetime,
) -> tuple[SessionEvent, ...]:
    """End the active turn with its result; `state` is what the client can go on from."""
    return (
        TurnCompleted(
            turn=_expect_active(session).number,
            output=result.output,
            finish_reason=result.finish_reason,
            usage=result.usage,
            provider=provider,
            model=model,
            model_version=result.resolved_model or model_version,
            attempts=attempts,
            seed=result.seed,
            timing=timing,
            state=state,
            at=at,
        ),
    )


def fail_turn(
    session: Session, *, code: str, detail: str, attempts: tuple[Attempt, ...] = (), at: datetime
) -> tuple[SessionEvent, ...]:
    """End the active turn without a result."""
    turn = _expect_active(session)
    return (TurnFailed(turn=turn.number, code=code, detail=detail, attempts=attempts, at=at),)


def reset(session: Session, *, at: datetime) -> tuple[SessionEvent, ...]:
    """Start a new context.

    Raises:
        SessionClosed: the session no longer changes.
        SessionBusy: a turn has not ended.
    """
    expect_open(session)
    _expect_idle(session, "reset")
    return (SessionReset(at=at),)


def close(session: Session, *, at: datetime) -> tuple[SessionEvent, ...]:
    """Take no more turns. Closing a closed session changes nothing.

    Raises:
        SessionBusy: a turn has not ended.
    """
    if session.status is not SessionStatus.OPEN:
        return ()
    _expect_idle(session, "closed")
    return (SessionClosed(at=at),)


def archive(session: Session, *, at: datetime) -> tuple[SessionEvent, ...]:
    """Take no more turns, and be put away. Archiving an archived session changes nothing.

    Raises:
        SessionBusy: a turn has not ended.
    """
    if session.status is SessionStatus.ARCHIVED:
        return ()
    _expect_idle(session, "archived")
    return (SessionArchived(at=at),)


def erase(session: Session, *, at: datetime) -> tuple[SessionErased]:
    """Let go of the content for ever, in whatever state the session is.

    Raises:
        SessionBusy: a turn has not ended.
        SessionOnHold: it has to be kept.
    """
    _expect_idle(session, "erased")
    if session.hold is not None:
        raise errors.SessionOnHold(detail=f"Session {session.id} is on hold ({session.hold}): release it first.")
    return (SessionErased(at=at),)


def hold(session: Session, reason: str, *, at: datetime) -> tuple[SessionEvent, ...]:
    """Let nobody erase the session. Holding it again for the same reason changes nothing.

    Raises:
        SessionBusy: a turn has not ended.
    """
    _expect_idle(session, "held")
    return () if session.hold == reason else (SessionHeld(reason=reason, at=at),)


def release(session: Session, *, at: datetime) -> tuple[SessionEvent, ...]:
    """Let the session be erased again. Releasing one that nobody holds changes nothing.

    Raises:
        SessionBusy: a turn has not ended.
    """
    _expect_idle(session, "released")
    return () if session.hold is None else (SessionReleased(at=at),)


@frozen(kw_only=True)
class Changes:
    """What to change of a session; `None` leaves it as it is, and an empty title takes the title away."""

    title: str | None = None
    defaults: Mapping[Modality, str] | None = None
    metadata: Mapping[str, str] | None = None
    context: ContextPolicy | None = None


def change(session: Session, changes: Changes, *, at: datetime) -> tuple[SessionEvent, ...]:
    """Change what a session is called and how it goes on. What changes nothing is not recorded.

    Raises:
        SessionClosed: the session no longer changes.
        SessionBusy: a turn has not ended.
    """
    expect_open(session)
    _expect_idle(session, "changed")
    changed = SessionChanged(
        title=session.title if changes.title is None else changes.title or None,
        defaults=session.defaults if changes.defaults is None else changes.defaults,
        metadata=session.metadata if changes.metadata is None else changes.metadata,
        context=changes.context or session.context,
        at=at,
    )
    now = (changed.title, changed.defaults, changed.metadata, changed.context)
    return () if now == (session.title, session.defaults, session.metadata, session.context) else (changed,)


def fork(origin: Session, *, at: datetime) -> tuple[SessionOpened]:
    """The beginning of a copy of `origin`, which has its turns but for one that has not ended, and not its tokens."""
    return (
        SessionOpened(
            owner=origin.owner,
            title=origin.title,
            instructions=origin.instructions,
            defaults=origin.defaults,
            metadata=origin.metadata,
            context=origin.context,
            forked_from=Origin(session_id=origin.id, version=origin.version),
            turns=tuple(evolve(turn, state=None) for turn in origin.turns if turn.status is not TurnStatus.RUNNING),
            head=origin.head,
            at=at,
        ),
    )


def tell_fork(session: Session, fork: Session, *, at: datetime) -> tuple[SessionEvent, ...]:
    """Record in the origin that `fork` began.

    Raises:
        SessionBusy: a turn has not ended.
    """
    _expect_idle(session, "forked")
    version = fork.forked_from.version if fork.forked_from else session.version
    return (SessionForked(into=fork.id, version=version, at=at),)


def tell_continuation(session: Session, continuation: Session, *, at: datetime) -> tuple[SessionEvent, ...]:
    """Record that `continuation` goes on with the conversation.

    Raises:
        SessionBusy: a turn has not ended.
    """
    _expect_idle(session, "continued")
    return (SessionContinued(by=continuation.id, at=at),)


def interrupt(session: Session, *, at: datetime) -> tuple[SessionEvent, ...]:
    """End a turn whose service ended while it ran; nothing, if no turn is active."""
    if session.active_turn is None:
        return ()
    return fail_turn(session, code=INTERRUPTED, detail="The service ended before the turn did.", at=at)


def expect_open(session: Session) -> None:
    """Insist that it takes turns.

    Raises:
        SessionClosed: it does not any more.
    """
    if session.status is not SessionStatus.OPEN:
        raise errors.SessionClosed(
            detail=f"Session {session.id} was {session.status} and takes no more turns: open a new one, or fork it.",
            closed_at=session.closed_at,
        )


def _expect_idle(session: Session, what: str) -> None:
    if active := session.active_turn:
        raise errors.SessionBusy(
            detail=f"Session {session.id} cannot be {what} while turn {active.number} runs: wait for it, or cancel it.",
            retry_after_s=1,
        )


def _expect_active(session: Session) -> Turn:
    if session.active_turn is None:
        raise errors.VersionConflict(detail=f"Session {session.id} has no active turn to end.")
    return session.active_turn
