"""A session: a conversation across modalities, kept as a stream of facts.

Everything that decides what may happen in a session is in this package. `events` say what happened, `state` folds them
into what they add up to, `context` is what a turn is told of the turns before, `decisions` return new events or raise.
Nothing here does I/O, reads a clock or makes an id.
"""

from .context import ContextPolicy, ContextStrategy
from .decisions import (
    INTERRUPTED,
    Changes,
    archive,
    change,
    close,
    complete_turn,
    erase,
    expect_version,
    fail_turn,
    fork,
    interrupt,
    request_turn,
    reset,
    tell_continuation,
    tell_fork,
)
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
from .state import CANCELLED, Session, SessionStatus, apply, context, fold
from .turn import Turn, TurnStatus

__all__ = [
    "CANCELLED",
    "INTERRUPTED",
    "Changes",
    "ContextCut",
    "ContextPolicy",
    "ContextStrategy",
    "Origin",
    "Session",
    "SessionArchived",
    "SessionChanged",
    "SessionClosed",
    "SessionContinued",
    "SessionErased",
    "SessionEvent",
    "SessionForked",
    "SessionOpened",
    "SessionReset",
    "SessionStatus",
    "Turn",
    "TurnCompleted",
    "TurnFailed",
    "TurnRequested",
    "TurnStatus",
    "apply",
    "archive",
    "change",
    "close",
    "complete_turn",
    "context",
    "erase",
    "expect_version",
    "fail_turn",
    "fold",
    "fork",
    "interrupt",
    "request_turn",
    "reset",
    "tell_continuation",
    "tell_fork",
]
