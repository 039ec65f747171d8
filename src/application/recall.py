"""The first answer, again: what became of a request whose idempotency key was used before."""

from collections.abc import AsyncGenerator
from datetime import datetime

from attrs import evolve, frozen

from ..domain.access import Principal
from ..domain.errors import IdempotencyInProgress, IdempotencyMismatch, NotFound
from ..domain.generation import (
    Completed,
    Generation,
    SessionRef,
    TextDelta,
    TextPart,
    Timing,
    ToolCallDelta,
    ToolCallPart,
    Usage,
)
from ..domain.idempotency import IdempotencyKey, KeyUse
from ..domain.model import Model, remembered
from ..domain.session import Turn, TurnStatus
from .ports import SessionStore
from .state_tokens import StateTokens
from .turns import load_owned

Output = TextDelta | ToolCallDelta | Generation


@frozen
class RecalledGeneration:
    """A generation that was finished before, for whoever would iterate over a running one."""

    generation: Generation

    @property
    def id(self) -> str:
        """The first one's id."""
        return self.generation.id

    @property
    def model(self) -> Model:
        """The model that answered."""
        return self.generation.model

    @property
    def created_at(self) -> datetime:
        """When it was first asked."""
        return self.generation.created_at

    async def result(self) -> Generation:
        """The whole."""
        return self.generation

    async def outputs(self) -> AsyncGenerator[Output, None]:
        """Each part of the output in one piece, and last the whole."""
        calls = 0
        for part in self.generation.result.output:
            if isinstance(part, TextPart):
                yield TextDelta(part.text)
            elif isinstance(part, ToolCallPart):
                yield ToolCallDelta(index=calls, id=part.id, name=part.name, arguments=part.arguments)
                calls += 1
        yield self.generation


async def used(store: SessionStore, principal: Principal, key: IdempotencyKey) -> KeyUse | None:
    """What the key was used for, if it was.

    Raises:
        IdempotencyMismatch: for something else than what is asked now.
    """
    use = await store.key_use(principal.id, key.key)
    if use and use.key != key:
        raise IdempotencyMismatch(
            detail="This Idempotency-Key was used for another request: send the very same request, or another key."
        )
    return use


async def recall(
    store: SessionStore, states: StateTokens, principal: Principal, key: IdempotencyKey, session_id: str
) -> RecalledGeneration | KeyUse:
    """The finished turn that the key stands for, or how to use the key for a new one.

    Raises:
        IdempotencyMismatch: the key was used for another request.
        IdempotencyInProgress: the turn has not ended.
        NotFound: the session of the turn is gone.
    """
    fresh = KeyUse(owner=principal.id, key=key, session_id=session_id)
    use = await used(store, principal, key)
    if use is None or use.turn is None:
        return fresh
    session = await load_owned(store, use.session_id, principal.id)
    turn = session.turns[use.turn - 1]
    if turn.status is TurnStatus.RUNNING:
        raise IdempotencyInProgress(retry_after_s=1)
    if turn.status is not TurnStatus.COMPLETED:
        return evolve(fresh, instead_of=turn.number)
    return RecalledGeneration(_generation(turn, session.id, await states.token_of(turn)))


async def completed_turn(
    store: SessionStore, states: StateTokens, session_id: str, generation_id: str
) -> Generation | None:
    """The generation with that id, if a turn of the session ended well with it."""
    try:
        session = await store.load(session_id)
    except NotFound:
        return None
    for turn in reversed(session.turns):
        if turn.generation_id == generation_id and turn.status is TurnStatus.COMPLETED:
            return _generation(turn, session.id, await states.token_of(turn))
    return None


def _generation(turn: Turn, session_id: str, state_token: str | None) -> Generation:
    model = remembered(turn.model, turn.provider or "", turn.modality, turn.model_version)
    return Generation(
        id=turn.generation_id,
        modality=turn.modality,
        model=model,
        result=Completed(
            output=turn.output,
            finish_reason=turn.finish_reason,  # type: ignore[arg-type]  # a completed turn has one
            usage=turn.usage or Usage(),
            seed=turn.seed,
        ),
        attempts=turn.attempts,
        created_at=turn.requested_at,
        timing=turn.timing or Timing(queue_ms=0, first_output_ms=None, total_ms=0),
        session=SessionRef(id=session_id, turn=turn.number, version=turn.version),
        state_token=state_token,
        metadata=turn.metadata,
    )
