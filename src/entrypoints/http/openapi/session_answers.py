"""Sessions, their turns and their events as they are answered."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from attrs import frozen

from ....domain.attempt import Attempt
from ....domain.generation import FinishReason, Role, Usage
from ....domain.model import Modality
from ....domain.parameters import Field
from ....domain.session import ContextPolicy, SessionStatus, StateToken
from ....domain.session.events import Origin
from ....domain.session.turn import TurnStatus
from .generation_answers import Part


@frozen(kw_only=True)
class SessionSummary:
    """A session in a list."""

    id: Annotated[str, Field("Its id.", examples=("ses_0199b1",))]
    object: Literal["session"]
    title: str | None
    status: SessionStatus
    version: Annotated[int, Field("How many events it has.")]
    turns: int
    modalities: Annotated[tuple[Modality, ...], Field("Those of its turns, in the order of their first use.")]
    metadata: Mapping[str, str]
    created_at: datetime
    last_activity_at: datetime
    hold: Annotated[str | None, Field("Why it must not be erased, if it must not.")]


@frozen(kw_only=True)
class SessionOfAll(SessionSummary):
    """What is known of a session besides its turns."""

    instructions: Annotated[str | None, Field("The system message of its every turn.")]
    defaults: Annotated[Mapping[Modality, str], Field("For each modality, the model of turns that name none.")]
    context: ContextPolicy
    forked_from: Origin | None
    forks: tuple[str, ...]
    continued_from: str | None
    continued_by: tuple[str, ...]
    closed_at: datetime | None
    archived_at: datetime | None


@frozen(kw_only=True)
class SessionShown(SessionOfAll):
    """A session."""


@frozen(kw_only=True)
class MessageShown:
    """A message; its content is always a list of parts."""

    role: Role
    content: tuple[Part, ...]


@frozen(kw_only=True)
class TurnFailure:
    """Why a turn failed."""

    code: str
    detail: str | None


@frozen(kw_only=True)
class TurnRecorded:
    """One request and what became of it, as it is recorded."""

    object: Literal["session.turn"]
    number: int
    generation_id: str
    modality: Modality
    status: TurnStatus
    model: str
    provider: str | None
    model_version: str | None
    messages: tuple[MessageShown, ...]
    parameters: Mapping[str, Any]
    output: tuple[Part, ...]
    finish_reason: FinishReason | None
    usage: Usage | None
    seed: int | None
    attempts: tuple[Attempt, ...]
    error: TurnFailure | None
    follows: Annotated[int | None, Field("The turn that it went on from, by number.")]
    state: Annotated[StateToken | None, Field("What its state token stands for.")]
    requested_at: datetime
    ended_at: datetime | None
    metadata: Mapping[str, str]


@frozen(kw_only=True)
class TurnShown(TurnRecorded):
    """One request and what became of it."""

    in_context: Annotated[bool, Field("Whether the next turn would be told of it.")]


@frozen(kw_only=True)
class StateTokenShown(StateToken):
    """What a state token stands for; the token itself only where it was asked for."""

    object: Literal["session.state_token"]
    turn: int
    state_token: str = ""


@frozen(kw_only=True)
class SessionEvent:
    """An event as it was recorded."""

    id: str
    object: Literal["session.event"]
    session_id: str
    version: int
    type: Annotated[str, Field("What happened.", examples=("turn.completed",))]
    data: Annotated[Mapping[str, Any], Field("The facts, by the type.")]
    actor: Annotated[str, Field("Who did it.")]
    method: Annotated[str, Field("How they showed who they are.")]
    request_id: str | None
    causation_id: Annotated[str | None, Field("The event that brought this one about.")]
    recorded_at: datetime
    previous_hash: str
    hash: str


@frozen(kw_only=True)
class ErasureReceipt:
    """What was removed of a session; its events stay, of which nobody can read what was said."""

    object: Literal["session.erasure"]
    session_id: str
    erased_at: datetime
    events: int
    head: Annotated[str, Field("The hash of the last event.")]
    idempotency_keys: int
    state_tokens: int
    snapshots: int
    backend_states: int
    backend_states_left: int
    artifacts: int
    artifacts_left: int
    jobs: int
