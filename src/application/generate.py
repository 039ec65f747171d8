"""Generate something, alone or as a turn of a session."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from functools import reduce
from time import perf_counter

from attrs import define, evolve, field, frozen

from ..domain import session as rules
from ..domain.access import Principal
from ..domain.errors import GatewayError, InvalidRequest, StateTokenRefused, StreamInterrupted
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
from ..domain.session import AUTO, HeldState, Session, SessionEvent
from .catalog import Catalog, require_honoured
from .ports import Clock, Generator, IdFactory, Provenance
from .recall import RecalledGeneration, recall
from .state_tokens import Start, StateTokens, selector_of
from .turns import SessionTurn, SessionTurns

LONG = 200
"""Turns that are put together between two other requests without these noticing: some 5 ms at the most."""

Output = TextDelta | ToolCallDelta | Progress | Generation
"""What a running generation gives: pieces, and last the whole."""


@frozen(kw_only=True)
class GenerateCommand:
    """What a client asks for.

    `session_version` is the version that the client insists on, if it does. `state_token` is a token, or `auto`.
    """

    modality: Modality
    messages: tuple[Message, ...]
    parameters: TextParameters
    model: str | None = None
    stream: bool = False
    session_id: str | None = None
    session_version: int | None = None
    state_token: str | None = None
    idempotency: IdempotencyKey | None = None
    metadata: Metadata = field(factory=dict)


@define(kw_only=True)
class Generate:
    """The main job. `generators` are the backends by provider name."""

    catalog: Catalog
    generators: Mapping[str, Generator]
    turns: SessionTurns
    states: StateTokens
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
        if command.session_id is None and command.state_token is None:
            async with self._alone(command) as alone:
                yield alone
            return
        wanted = await self._wanted_state(command, principal)
        if isinstance(wanted, HeldState):
            command = evolve(command, session_id=wanted.session_id)
        session_id, key_use = command.session_id or "", None
        if command.idempotency:
            recalled = await recall(self.turns.store, self.states, principal, command.idempotency, session_id)
            if isinstance(recalled, RecalledGeneration):
                yield recalled
                return
            key_use = recalled
        running = RunningGeneration(id=self.new_id("gen"), command=command, clock=self.clock, states=self.states)

        async def decide(session: Session) -> Sequence[SessionEvent]:
            rules.expect_version(session, command.session_version)
            selector = command.model or selector_of(wanted) or session.defaults.get(command.modality)
            model = await self.catalog.resolve(selector, command.modality)
            require_honoured(model, command.parameters)
            start = await self.states.start(session, wanted, model, self.clock())
            told = await _context(session, command.messages, start.after) + command.messages
            running.prepare(model, told, self.generators[model.provider], start)
            events = rules.request_turn(
                session,
                generation_id=running.id,
                modality=command.modality,
                model=model.id,
                messages=command.messages,
                parameters=given(command.parameters),
                metadata=command.metadata,
                at=running.created_at,
                continues=start.after,
                max_events=self.turns.max_events,
            )
            if start.fell_back and start.state_of:
                begun = reduce(rules.apply, events, session)
                events += rules.fall_back(begun, state_of=start.state_of, code=start.fell_back, at=running.created_at)
            return events

        provenance = Provenance(actor=principal.id, method=principal.method, request_id=request_id)
        async with self.turns.begin(session_id, provenance, decide, key_use) as turn:
            running.turn = turn
            yield running

    @asynccontextmanager
    async def _alone(self, command: GenerateCommand) -> "AsyncIterator[RunningGeneration]":
        if command.idempotency:
            raise InvalidRequest.at("/headers/Idempotency-Key", "needs a session_id: only turns are answered again")
        model = await self.catalog.resolve(command.model, command.modality)
        require_honoured(model, command.parameters)
        running = RunningGeneration(id=self.new_id("gen"), command=command, clock=self.clock, states=self.states)
        running.prepare(model, command.messages, self.generators[model.provider], Start())
        yield running

    async def _wanted_state(self, command: GenerateCommand, principal: Principal) -> HeldState | str | None:
        if command.state_token == AUTO and command.session_id is None:
            raise InvalidRequest.at("/state_token", f"{AUTO!r} needs a session_id: it means the session's newest state")
        if command.state_token in (None, AUTO):
            return command.state_token
        return await self.states.find(command.state_token, principal, command.session_id)


@define(kw_only=True)
class RunningGeneration:
    """A generation at work: iterate `outputs` for its pieces, or await `result` for the whole."""

    id: str
    command: GenerateCommand
    clock: Clock
    states: StateTokens
    turn: SessionTurn | None = None
    created_at: datetime = field(init=False)
    _request: GenerationRequest = field(init=False)
    _generator: Generator = field(init=False)
    _start: Start = field(init=False)

    @property
    def model(self) -> Model:
        """The model that answers."""
        return self._request.model

    def prepare(self, model: Model, messages: tuple[Message, ...], generator: Generator, start: Start) -> None:
        """Settle what will be asked, and of whom."""
        self.created_at = self.clock()
        self._generator, self._start = generator, start
        self._request = GenerationRequest(
            id=self.id,
            modality=self.command.modality,
            model=model,
            messages=messages,
            parameters=self.command.parameters,
            stream=self.command.stream,
            session_id=self.command.session_id,
            state=start.backend,
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
            while True:
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
                except StateTokenRefused as error:
                    if times.first_output is not None or not await self._falls_back(error.code):
                        raise
        except GatewayError as error:
            if self.turn:
                await self.turn.fail(error.code, str(error), (self._attempt(error.code, times),))
            raise

    async def _falls_back(self, code: str) -> bool:
        """Have the history told instead of the state that was refused, if that is what the client asked for."""
        if self.command.state_token != AUTO or not (self._request.state and self.turn and self._start.state_of):
            return False
        await self.turn.fall_back(self._start.state_of, code)
        self._request = evolve(self._request, state=None)
        return True

    async def _complete(self, result: Completed, times: "_Times") -> Generation:
        if result.seed is None:
            result = evolve(result, seed=self.command.parameters.seed)
        attempts, timing = (self._attempt("ok", times),), times.summary()
        held = None
        if self.turn:
            held = self.states.issue(self.turn.session, result, self.model, self.clock())
            await self.turn.complete(result, self.model, attempts, timing, held)
        return Generation(
            id=self.id,
            modality=self.command.modality,
            model=self.model,
            result=result,
            attempts=attempts,
            created_at=self.created_at,
            timing=timing,
            session=self.turn.reference if self.turn else None,
            state_token=held.token if held else None,
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


async def _context(session: Session, messages: tuple[Message, ...], after: int | None) -> tuple[Message, ...]:
    """What the request is told. Of a long session on a thread: its old turns are decoded when they are looked at."""
    if len(session.turns) < LONG:
        return rules.context(session, messages, after=after)
    return await asyncio.to_thread(rules.context, session, messages, after=after)


Answer = RunningGeneration | RecalledGeneration
"""Where a generation comes from: it is made now, or it was made before."""
