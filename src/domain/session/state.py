"""The state of a session: what its events add up to."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial, reduce

from attrs import evolve, field, frozen

from ..generation import Message, Role, text_message
from ..model import Modality
from .context import FULL, ContextPolicy, kept
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
    SessionOpened,
    SessionReset,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
)
from .turn import Turn, TurnStatus

CANCELLED = "cancelled"


class SessionStatus(StrEnum):
    """Whether a session takes turns; only an open one does."""

    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"
    ERASED = "erased"


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
    context: ContextPolicy = FULL
    turns: tuple[Turn, ...] = ()
    created_at: datetime | None = None
    last_activity_at: datetime | None = None
    closed_at: datetime | None = None
    archived_at: datetime | None = None
    forked_from: Origin | None = None
    forks: tuple[str, ...] = ()
    continued_from: str | None = None
    continued_by: tuple[str, ...] = ()

    @property
    def active_turn(self) -> Turn | None:
        """The turn that has not ended; only the last one can be it."""
        return self.turns[-1] if self.turns and self.turns[-1].status is TurnStatus.RUNNING else None

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities of its turns, in the order of their first use."""
        return tuple(dict.fromkeys(turn.modality for turn in self.turns))


def fold(session_id: str, events: Iterable[SessionEvent]) -> Session:
    """The state after all of `events`, the stream's from its first on."""
    return reduce(apply, events, Session(id=session_id))


def apply(session: Session, event: SessionEvent) -> Session:  # noqa: PLR0911 - one for each kind of event
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
                context=event.context,
                turns=event.turns,
                created_at=event.at,
                forked_from=event.forked_from,
                continued_from=event.continued_from,
            )
        case SessionChanged():
            return after(title=event.title, defaults=event.defaults, metadata=event.metadata, context=event.context)
        case TurnRequested():
            return after(turns=(*session.turns, _begun(event, session.version + 1)))
        case TurnCompleted() | TurnFailed():
            return after(turns=(*session.turns[:-1], _ended(session.turns[-1], event, session.version + 1)))
        case SessionReset():
            return after(turns=tuple(evolve(turn, in_context=False) for turn in session.turns))
        case SessionClosed():
            return after(status=SessionStatus.CLOSED, closed_at=event.at)
        case SessionArchived():
            return after(status=SessionStatus.ARCHIVED, closed_at=session.closed_at or event.at, archived_at=event.at)
        case SessionErased():
            return after(status=SessionStatus.ERASED)
        case SessionForked():
            return after(forks=(*session.forks, event.into))
        case SessionContinued():
            return after(continued_by=(*session.continued_by, event.by))
        case ContextCut():
            return after()


def _begun(event: TurnRequested, version: int) -> Turn:
    return Turn(
        version=version,
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


def _ended(turn: Turn, event: TurnCompleted | TurnFailed, version: int) -> Turn:
    if isinstance(event, TurnFailed):
        status = TurnStatus.CANCELLED if event.code == CANCELLED else TurnStatus.FAILED
        return evolve(
            turn,
            version=version,
            status=status,
            error_code=event.code,
            error_detail=event.detail,
            attempts=event.attempts,
            ended_at=event.at,
        )
    return evolve(
        turn,
        version=version,
        status=TurnStatus.COMPLETED,
        provider=event.provider,
        model=event.model,
        model_version=event.model_version,
        timing=event.timing,
        output=event.output,
        finish_reason=event.finish_reason,
        usage=event.usage,
        seed=event.seed,
        attempts=event.attempts,
        ended_at=event.at,
        in_context=True,
    )


def told(session: Session, request: tuple[Message, ...] = ()) -> tuple[Turn, ...]:
    """The turns that `request` is told of: those since the last reset that ended well, as far as the policy goes."""
    return kept([turn for turn in session.turns if turn.in_context], session.context, request)


def context(session: Session, request: tuple[Message, ...] = ()) -> tuple[Message, ...]:
    """What `request` is told before its own messages: the instructions, then the turns.

    The same turns always give the same messages, and under the full policy a new turn only adds to their end: a backend
    that keeps what it computed for a prefix can use it again.
    """
    instructions = (text_message(Role.SYSTEM, session.instructions),) if session.instructions else ()
    return instructions + tuple(
        message for turn in told(session, request) for message in (*turn.messages, Message(Role.ASSISTANT, turn.output))
    )
