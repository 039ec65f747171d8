"""A turn: one request of a session, and what became of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from attrs import field, frozen

from ..attempt import Attempt
from ..generation import FinishReason, Message, Part, Timing, Usage
from ..model import Modality
from .state_token import StateToken


class TurnStatus(StrEnum):
    """How far a turn is."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@frozen(kw_only=True)
class Turn:
    """One request and what became of it.

    `follows` is the turn that it went on from, by number: what it was told are the turns that lead there. `version` is
    the session's with the turn's last event. `state` is what the client was given to go on from this turn.
    """

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
    provider: str | None = None
    model_version: str | None = None
    timing: Timing | None = None
    version: int = 0
    follows: int | None = None
    state: StateToken | None = None
