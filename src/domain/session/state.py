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
    SessionHeld,
    SessionOpened,
    SessionReleased,
    SessionReset,
    StateFellBack,
    TurnCompleted,
    TurnFailed,
    TurnRequested,
)
from .turn import Turn, TurnStatus
from .turns import Turns

CANCELLED = "cancelled"


class SessionStatus(StrEnum):
    """Whether a session takes turns; only an open one does."""

    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"
    ERASED = "erased"


@frozen(kw_only=True)
class Session:
    """A session as it is after `version` events.

    `head` is the turn that the next one goes on from, by number; none after a reset. `modalities` are those of its
    turns, in the order of their first use. `hold` is the reason for which it must not be erased, if there is one.
    """

    id: str
    version: int = 0
    owner: str = ""
    status: SessionStatus = SessionStatus.OPEN
    title: str | None = None
    instructions: str | None = None
    defaults: Mapping[Modality, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)
    context: ContextPolicy = FULL
    turns: Turns = field(factory=Turns)
    head: int | None = None
    modalities: tuple[Modality, ...] = ()
    created_at: datetime | None = None
    last_activity_at: datetime | None = None
    closed_at: datetime | None = None
    archived_at: datetime | None = None
    hold: str | None = None
    forked_from: Origin | None = None
    forks: tuple[str, ...] = ()
    continued_from: str | None = None
    continued_by: tuple[str, ...] = ()

    @property
    def active_turn(self) -> Turn | None:
        """The turn that has not ended; only the last one can be it."""
        return self.turns[-1] if self.turns and self.turns[-1].status is TurnStatus.RUNNING else None

    def path(self, last: int | None) -> tuple[Turn, ...]:
        """The turns that lead to the turn `last`, with it, the first one first; all of them ended well."""
        turns = []
        while last is not None:
            turns.append(self.turns[last - 1])
            last = turns[-1].follows
        return tuple(reversed(turns))


def fold(session_id: str, events: Iterable[SessionEvent]) -> Session:
    """The state after all of `events`, the stream's from its first on."""
    return reduce(apply, events, Session(id=session_id))


def apply(session: Session, event: SessionEvent) -> Session:  # noqa: PLR0911, PLR0912 - one for each kind of event
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
                turns=Turns(event.turns),
                head=event.head,
                modalities=_distinct(turn.modality for turn in event.turns),
                created_at=event.at,
                forked_from=event.forked_from,
                continued_from=event.continued_from,
            )
        case SessionChanged():
            return after(title=event.title, defaults=event.defaults, metadata=event.metadata, context=event.context)
        case TurnRequested():
            return after(
                turns=session.turns.adding(_begun(event, session)),
                modalities=_distinct((*session.modalities, event.modality)),
            )
        case TurnCompleted():
            return after(turns=session.turns.replacing_last(_completed(event, session)), head=event.turn)
        case TurnFailed():
            return after(turns=session.turns.replacing_last(_failed(event, session)))
        case SessionReset():
            return after(head=None)
        case SessionClosed():
            return after(status=SessionStatus.CLOSED, closed_at=event.at)
        case SessionArchived():
            return after(status=SessionStatus.ARCHIVED, closed_at=session.closed_at or event.at, archived_at=event.at)
        case SessionErased():
            return after(status=SessionStatus.ERASED)
        case SessionHeld():
            return after(hold=event.reason)
        case SessionReleased():
            return after(hold=None)
        case SessionForked():
            return after(forks=(*session.forks, event.into))
        case SessionContinued():
            return after(continued_by=(*session.continued_by, event.by))
        case ContextCut() | StateFellBack():
            return after()


def _begun(event: TurnRequested, session: Session) -> Turn:
    return Turn(
        version=session.version + 1,
        number=event.turn,
        generation_id=event.generation_id,
        modality=event.modality,
        status=TurnStatus.RUNNING,
        model=event.model,
        messages=event.messages,
        parameters=event.parameters,
        metadata=event.metadata,
        follows=session.head if event.continues is None else event.continues,
        requested_at=event.at,
    )


def _failed(event: TurnFailed, session: Session) -> Turn:
    return evolve(
        session.turns[-1],
        version=session.version + 1,
        status=TurnStatus.CANCELLED if event.code == CANCELLED else TurnStatus.FAILED,
        error_code=event.code,
        error_detail=event.detail,
        attempts=event.attempts,
        ended_at=event.at,
    )


def _completed(event: TurnCompleted, session: Session) -> Turn:
    return evolve(
        session.turns[-1],
        version=session.version + 1,
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
        state=event.state,
        ended_at=event.at,
    )


def _distinct(modalities: Iterable[Modality]) -> tuple[Modality, ...]:
    return tuple(dict.fromkeys(modalities))


def told(session: Session, request: tuple[Message, ...] = (), *, after: int | None = None) -> tuple[Turn, ...]:
    """The turns that `request` is told of: those that lead to the turn `after`, as far as the policy goes.

    Without `after`, those that lead to where the session is.
    """
    return kept(session.path(session.head if after is None else after), session.context, request)


def context(session: Session, request: tuple[Message, ...] = (), *, after: int | None = None) -> tuple[Message, ...]:
    """What `request`, which goes on after that turn, is told before its own messages: the instructions, then the turns.

    The same turns always give the same messages, and under the full policy a new turn only adds to their end: a backend
    that keeps what it computed for a prefix can use it again.
    """
    instructions = (text_message(Role.SYSTEM, session.instructions),) if session.instructions else ()
    return instructions + tuple(
        message
        for turn in told(session, request, after=after)
        for message in (*turn.messages, Message(Role.ASSISTANT, turn.output))
    )
