"""What happens in a session: the facts that are stored, and never changed."""

from collections.abc import Mapping
from datetime import datetime

from attrs import field, frozen

from ..generation import Attempt, FinishReason, Message, Part, Timing, Usage
from ..model import Modality
from .context import FULL, ContextPolicy
from .turn import Turn


@frozen(kw_only=True)
class Origin:
    """Where a fork came from: another session, as it was at a version."""

    session_id: str
    version: int


@frozen(kw_only=True)
class SessionOpened:
    """A session began; it belongs to `owner`, and `defaults` names a model for each modality that has one.

    A fork begins with its origin's `turns`, so that it stays whole whatever becomes of the origin. `continued_from` is
    the session whose conversation goes on here, without its turns.
    """

    owner: str
    at: datetime
    title: str | None = None
    instructions: str | None = None
    defaults: Mapping[Modality, str] = field(factory=dict)
    metadata: Mapping[str, str] = field(factory=dict)
    context: ContextPolicy = FULL
    forked_from: Origin | None = None
    turns: tuple[Turn, ...] = ()
    continued_from: str | None = None


@frozen(kw_only=True)
class SessionChanged:
    """What a session is called and how it goes on was changed; all of it, as it is from now on."""

    title: str | None
    defaults: Mapping[Modality, str]
    metadata: Mapping[str, str]
    context: ContextPolicy
    at: datetime


@frozen(kw_only=True)
class ContextCut:
    """The turns from `first` to `last` are left out of what `turn` is told; they stay in the session."""

    turn: int
    first: int
    last: int
    at: datetime


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
    timing: Timing | None = None


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


@frozen(kw_only=True)
class SessionArchived:
    """The session takes no more turns, and is put away."""

    at: datetime


@frozen(kw_only=True)
class SessionErased:
    """The last of a session's events: its content is gone, that it was there is not."""

    at: datetime


@frozen(kw_only=True)
class SessionForked:
    """Another session began as a copy of this one at `version`."""

    into: str
    version: int
    at: datetime


@frozen(kw_only=True)
class SessionContinued:
    """The conversation goes on in another session."""

    by: str
    at: datetime


SessionEvent = (
    SessionOpened
    | SessionChanged
    | ContextCut
    | TurnRequested
    | TurnCompleted
    | TurnFailed
    | SessionReset
    | SessionClosed
    | SessionArchived
    | SessionErased
    | SessionForked
    | SessionContinued
)
