"""What happens in a session: the facts that are stored, and never changed."""

from collections.abc import Mapping
from datetime import datetime

from attrs import field, frozen

from ..attempt import Attempt
from ..generation import FinishReason, Message, Part, Timing, Usage
from ..model import Modality
from .context import FULL, ContextPolicy
from .state_token import StateToken
from .turn import Turn


@frozen(kw_only=True)
class Origin:
    """Where a fork came from: another session, as it was at a version."""

    session_id: str
    version: int


@frozen(kw_only=True)
class SessionOpened:
    """A session began; it belongs to `owner`, and `defaults` names a model for each modality that has one.

    A fork begins with its origin's `turns`, so that it stays whole whatever becomes of the origin, and goes on from the
    turn `head`. `continued_from` is the session whose conversation goes on here, without its turns.
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
    head: int | None = None
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
    """A turn began; stored before any model is called.

    With `continues` it goes on from that turn, by a state token; else from where the session is.
    """

    turn: int
    generation_id: str
    modality: Modality
    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, object]
    at: datetime
    metadata: Mapping[str, str] = field(factory=dict)
    continues: int | None = None


@frozen(kw_only=True)
class StateFellBack:
    """`turn` was told the history, since it could not go on from the state after turn `state_of`; `code` says why."""

    turn: int
    state_of: int
    code: str
    at: datetime


@frozen(kw_only=True)
class TurnCompleted:
    """A turn ended well; stored before the client is told so. `state` is what it was given to go on from here."""

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
    state: StateToken | None = None


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
class SessionHeld:
    """The session must not be erased from now on, by nobody and no policy."""

    reason: str
    at: datetime


@frozen(kw_only=True)
class SessionReleased:
    """The session may be erased again."""

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
    | StateFellBack
    | TurnRequested
    | TurnCompleted
    | TurnFailed
    | SessionReset
    | SessionClosed
    | SessionArchived
    | SessionErased
    | SessionHeld
    | SessionReleased
    | SessionForked
    | SessionContinued
)


def event_id(session_id: str, version: int) -> str:
    """The id of the event that brings a session to a version: whoever knows the place of an event can name it."""
    return f"evt_{session_id.removeprefix('ses_')}_{version:07}"
