"""A session: a conversation across modalities, kept as a stream of facts.

Everything that decides what may happen in a session is in this file. Events say what happened, `apply` folds one into
the state, decisions return new events or raise. Nothing here does I/O, reads a clock or makes an id.

    nothing ──SessionOpened──▶ open ──SessionClosed──▶ closed
                               │  ▲
                 TurnRequested ▼  │ TurnCompleted · TurnFailed
                             open, with an active turn

`SessionReset` starts a new context in an open session; earlier turns stay in its history. A turn that failed, was
cancelled or was interrupted stays in the history too, and never enters the context.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial, reduce

from attrs import evolve, field, frozen

from . import errors
from .generation import Attempt, Completed, FinishReason, Message, Part, Role, Usage, text_message
from .model import Modality

# ── Events: what happened ─────────────────────────────────────────────────────────────────────────────────────────


@frozen(kw_only=True)
class SessionOpened:
    """A session began; it belongs to `owner`, and `defaults` names a model for each modality that has one."""

    owner: str
    at: datetime
    title: str | None = None
    instructions: str | None = None
    defaults: Mapping[Modality, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class TurnRequested:
    """A turn began; stored before any model is called."""

    turn: int
    generation_id: str
    modality: Modality
    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, object]
    at: datetime
    metadata: Mapping[str, str] = field(factory=dict)


@frozen(kw_only=True)
class TurnCompleted:
    """A turn ended well; stored before the client is told so."""

    turn: int
    output: tuple[Part, ...]
    finish_reason: FinishReason
    usage: Usage
    provider: str
    model: str
    attempts: tuple[Attempt, ...]
    at: datetime
    model_version: str | None = None
    seed: int | None = None


@frozen(kw_only=True)
class TurnFailed:
    """A turn ended without a result.

    `code` is an error's code, or `cancelled`, or `interrupted` by the end of the service.
    """

    turn: int
    code: str
    detail: str
    at: datetime
    attempts: tuple[Attempt, ...] = ()


@frozen(kw_only=True)
class SessionReset:
    """The context starts anew after this."""

    at: datetime


@frozen(kw_only=True)
class SessionClosed:
    """The session takes no more turns."""

    at: datetime


SessionEvent = SessionOpened | TurnRequested | TurnCompleted | TurnFailed | SessionReset | SessionClosed


# ── State: what it adds up to ─────────────────────────────────────────────────────────────────────────────────────


class SessionStatus(StrEnum):
    """Whether a session takes turns."""

    OPEN = "open"
    CLOSED = "closed"


class TurnStatus(StrEnum):
    """How far a turn is."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@frozen(kw_only=True)
class Turn:
    """One request and what became of it. `in_context`: later turns are told of it."""

    number: int
    generation_id: str
    modality: Modality
    status: TurnStatus
    model: str
    messages: tuple[Message, ...]
    requested_at: datetime
    parameters: Mapping[str, object] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)
    output: tuple[Part, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None
    seed: int | None = None
    attempts: tuple[Attempt, ...] = ()
    error_code: str | None = None
    error_detail: str | None = None
    ended_at: datetime | None = None
    in_context: bool = False


@frozen(kw_only=True)
class Session:
    """A session as it is after `version` events."""

    id: str
    version: int = 0
    owner: str = ""
    status: SessionStatus = SessionStatus.OPEN
    title: str | None = None
    instructions: str | None = None
    defaults: Mapping[Modality, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)
    turns: tuple[Turn, ...] = ()
    created_at: datetime | None = None
    last_activity_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def active_turn(self) -> Turn | None:
        """The turn that has not ended; only the last one can be it."""
        return self.turns[-1] if self.turns and self.turns[-1].status is TurnStatus.RUNNING else None

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities of its turns, in the order of their first use."""
        return tuple(dict.fromkeys(turn.modality for turn in self.turns))


def apply(session: Session, event: SessionEvent) -> Session:
    """Fold one event into the state. Total: whatever a stored stream holds can be folded."""
    after = partial(evolve, session, version=session.version + 1, last_activity_at=event.at)
    match event:
        case SessionOpened():
            return after(
                owner=event.owner,
                title=event.title,
                instructions=event.instructions,
                defaults=event.defaults,
                metadata=event.metadata,
                created_at=event.at,
            )
        case TurnRequested():
            turn = Turn(
                number=event.turn,
                generation_id=event.generation_id,
                modality=event.modality,
                status=TurnStatus.RUNNING,
                model=event.model,
                messages=event.messages,
                parameters=event.parameters,
                metadata=event.metadata,
                requested_at=event.at,
            )
            return after(turns=(*session.turns, turn))
        case TurnCompleted() | TurnFailed():
            return after(turns=(*session.turns[:-1], _ended(session.turns[-1], event)))
        case SessionReset():
            return after(turns=tuple(evolve(turn, in_context=False) for turn in session.turns))
        case SessionClosed():
            return after(status=SessionStatus.CLOSED, closed_at=event.at)


def _ended(turn: Turn, event: TurnCompleted | TurnFailed) -> Turn:
    if isinstance(event, TurnFailed):
        status = TurnStatus.CANCELLED if event.code == CANCELLED else TurnStatus.FAILED
        return evolve(
            turn,
            status=status,
            error_code=event.code,
            error_detail=event.detail,
            attempts=event.attempts,
            ended_at=event.at,
        )
    return evolve(
        turn,
        status=TurnStatus.COMPLETED,
        model=event.model,
        output=event.output,
        finish_reason=event.finish_reason,
        usage=event.usage,
        seed=event.seed,
        attempts=event.attempts,
        ended_at=event.at,
        in_context=True,
    )


def fold(session_id: str, events: Iterable[SessionEvent]) -> Session:
    """The state after all of `events`, the stream's from its first on."""
    return reduce(apply, events, Session(id=session_id))


def context(session: Session) -> tuple[Message, ...]:
    """What the next turn is told before its own messages: the instructions, then the turns since the last reset.

    The same turns always give the same messages, and a new turn only adds to their end: a backend that keeps what it
    computed for a prefix can use it again.
    """
    instructions = (text_message(Role.SYSTEM, session.instructions),) if session.instructions else ()
    return instructions + tuple(
        message
        for turn in session.turns
        if turn.in_context
        for message in (*turn.messages, Message(Role.ASSISTANT, turn.output))
    )


# ── Decisions: what may happen next ───────────────────────────────────────────────────────────────────────────────

CANCELLED = "cancelled"
INTERRUPTED = "interrupted"


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
) -> tuple[SessionEvent, ...]:
    """Begin the next turn.

    Raises:
        SessionClosed: the session no longer takes turns.
        SessionBusy: another turn has not ended.
    """
    _expect_open(session)
    _expect_idle(session, "asked")
    return (
        TurnRequested(
            turn=len(session.turns) + 1,
            generation_id=generation_id,
            modality=modality,
            model=model,
            messages=messages,
            parameters=parameters,
            metadata=metadata,
            at=at,
        ),
    )


def complete_turn(
    session: Session,
    result: Completed,
    *,
    provider: str,
    model: str,
    model_version: str | None,
    attempts: tuple[Attempt, ...],
    at: datetime,
) -> tuple[SessionEvent, ...]:
    """End the active turn with its result."""
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
    _expect_open(session)
    _expect_idle(session, "reset")
    return (SessionReset(at=at),)


def close(session: Session, *, at: datetime) -> tuple[SessionEvent, ...]:
    """Take no more turns. Closing a closed session changes nothing.

    Raises:
        SessionBusy: a turn has not ended.
    """
    if session.status is SessionStatus.CLOSED:
        return ()
    _expect_idle(session, "closed")
    return (SessionClosed(at=at),)


def interrupt(session: Session, *, at: datetime) -> tuple[SessionEvent, ...]:
    """End a turn whose service ended while it ran; nothing, if no turn is active."""
    if session.active_turn is None:
        return ()
    return fail_turn(session, code=INTERRUPTED, detail="The service ended before the turn did.", at=at)


def _expect_open(session: Session) -> None:
    if session.status is SessionStatus.CLOSED:
        raise errors.SessionClosed(
            detail=f"Session {session.id} was closed and takes no more turns: open a new one.",
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
