"""Generate something, alone or as a turn of a session."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from time import perf_counter

from attrs import define, evolve, field, frozen

from ..domain import session as rules
from ..domain.access import Principal
from ..domain.errors import GatewayError, InvalidRequest, StreamInterrupted
from ..domain.generation import (
    Attempt,
    Completed,
    Generation,
    GenerationRequest,
    Message,
    Metadata,
    Progress,
    Started,
    TextDelta,
    Timing,
    ToolCallDelta,
)
from ..domain.idempotency import IdempotencyKey
from ..domain.model import Modality, Model
from ..domain.parameters import TextParameters, given
from ..domain.session import Session, SessionEvent
from .catalog import Catalog, require_honoured
from .ports import Clock, Generator, IdFactory, Provenance
from .recall import RecalledGeneration, recall
from .turns import SessionTurn, SessionTurns

Output = TextDelta | ToolCallDelta | Progress | Generation
"""What a running generation gives: pieces, and last the whole."""


@frozen(kw_only=True)
class GenerateCommand:
    """What a client asks for. `session_version` is the version that the client insists on, if it does."""

    modality: Modality
    messages: tuple[Message, ...]
    parameters: TextParameters
    model: str | None = None
    stream: bool = False
    session_id: str | None = None
    session_version: int | None = None
    idempotency: IdempotencyKey | None = None
    metadata: Metadata = field(factory=dict)


@define(kw_only=True)
class Generate:
    """The main job. `generators` are the backends by provider name."""

    catalog: Catalog
    generators: Mapping[str, Generator]
    turns: SessionTurns
    clock: Clock
    new_id: IdFactory

    @asynccontextmanager
    async def begin(
        self, command: GenerateCommand, principal: Principal, request_id: str
    ) -> "AsyncIterator[RunningGeneration | RecalledGeneration]":
        """Check everything, store the turn's beginning, and give the running generation.

        Leaving the context ends the work, whatever state it is in. Where the idempotency key stands for a turn that
        ended well, it is that one's generation that is given.

        Raises:
            Rejected, NotFound, Conflict: the request cannot be served; nothing was generated.
        """
        running = RunningGeneration(id=self.new_id("gen"), command=command, clock=self.clock)
        if command.session_id is None:
            if command.idempotency:
                raise InvalidRequest.at("/headers/Idempotency-Key", "needs a session_id: only turns are answered again")
            model = await self.catalog.resolve(command.model, command.modality)
            require_honoured(model, command.parameters)
            running.prepare(model, command.messages, self.generators[model.provider])
            yield running
            return
        key_use = None
        if command.idempotency:
            recalled = await recall(self.turns.store, principal, command.idempotency, command.session_id)
            if isinstance(recalled, RecalledGeneration):
                yield recalled
                return
            key_use = recalled

        async def decide(session: Session) -> Sequence[SessionEvent]:
            rules.expect_version(session, command.session_version)
            selector = command.model or session.defaults.get(command.modality)
            model = await self.catalog.resolve(selector, command.modality)
            require_honoured(model, command.parameters)
            running.prepare(
                model, rules.context(session, command.messages) + command.messages, self.generators[model.provider]
            )
            return rules.request_turn(
                session,
                generation_id=running.id,
                modality=command.modality,
                model=model.id,
                messages=command.messages,
                parameters=given(command.parameters),
                metadata=command.metadata,
                at=running.created_at,
                max_events=self.turns.max_events,
            )

        provenance = Provenance(actor=principal.id, method=principal.method, request_id=request_id)
        async with self.turns.begin(command.session_id, provenance, decide, key_use) as turn:
            running.turn = turn
            yield running


@define(kw_only=True)
class RunningGeneration:
    """A generation at work: iterate `outputs` for its pieces, or await `result` for the whole."""

    id: str
    command: GenerateCommand
    clock: Clock
    turn: SessionTurn | None = None
    created_at: datetime = field(init=False)
    _request: GenerationRequest = field(init=False)
    _generator: Generator = field(init=False)

    @property
    def model(self) -> Model:
        """The model that answers."""
        return self._request.model

    def prepare(self, model: Model, messages: tuple[Message, ...], generator: Generator) -> None:
        """Settle what will be asked, and of whom."""
        self.created_at = self.clock()
        self._generator = generator
        self._request = GenerationRequest(
            id=self.id,
            modality=self.command.modality,
            model=model,
            messages=messages,
            parameters=self.command.parameters,
            stream=self.command.stream,
            session_id=self.command.session_id,
        )

    async def result(self) -> Generation:
        """The whole, once it is there."""
        async for output in self.outputs():
            if isinstance(output, Generation):
                return output
        raise StreamInterrupted

    async def outputs(self) -> AsyncGenerator[Output, None]:
        """The pieces as they come, and last the `Generation`, which is durable by then.

        Raises:
            GatewayError: the generation failed; its turn has been ended as failed by then.
        """
        times = _Times(perf_counter())
        try:
            async with aclosing(self._generator.generate(self._request)) as events:
                async for event in events:
                    if isinstance(event, TextDelta | ToolCallDelta | Progress):
                        times.output()
                        yield event
                    elif isinstance(event, Started):
                        times.started = perf_counter()
                    else:
                        yield await self._complete(event, times)
                        return
            raise StreamInterrupted
        except GatewayError as error:
            if self.turn:
                await self.turn.fail(error.code, str(error), (self._attempt(error.code, times),))
            raise

    async def _complete(self, result: Completed, times: "_Times") -> Generation:
        if result.seed is None:
            result = evolve(result, seed=self.command.parameters.seed)
        attempts, timing = (self._attempt("ok", times),), times.summary()
        if self.turn:
            await self.turn.complete(result, self.model, attempts, timing)
        return Generation(
            id=self.id,
            modality=self.command.modality,
            model=self.model,
            result=result,
            attempts=attempts,
            created_at=self.created_at,
            timing=timing,
            session=self.turn.reference if self.turn else None,
            metadata=self.command.metadata,
        )

    def _attempt(self, status: str, times: "_Times") -> Attempt:
        return Attempt(provider=self.model.provider, model=self.model.id, status=status, ms=times.summary().total_ms)


@define
class _Times:
    begun: float
    started: float | None = None
    first_output: float | None = None

    def output(self) -> None:
        if self.first_output is None:
            self.first_output = perf_counter()

    def summary(self) -> Timing:
        return Timing(
            queue_ms=_ms(self.begun, self.started or self.begun),
            first_output_ms=None if self.first_output is None else _ms(self.begun, self.first_output),
            total_ms=_ms(self.begun, perf_counter()),
        )


def _ms(begin: float, end: float) -> int:
    return round((end - begin) * 1000)


Answer = RunningGeneration | RecalledGeneration
"""Where a generation comes from: it is made now, or it was made before."""
