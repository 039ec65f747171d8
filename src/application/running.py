"""A generation at work: what its backend gives, put together, kept, and told in the end."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any

from attrs import define, evolve, field

from ..domain.access import Principal
from ..domain.artifact import Artifact
from ..domain.attempt import Attempt
from ..domain.crossing import SEES_PICTURES
from ..domain.errors import GatewayError, ProviderTimeout, StateTokenRefused, StreamInterrupted
from ..domain.generation import (
    ArtifactPart,
    BackendState,
    Completed,
    Generation,
    GenerationEvent,
    GenerationRequest,
    Message,
    Progress,
    Started,
    TextDelta,
    Timing,
    ToolCallDelta,
)
from ..domain.model import LOCAL, Modality, Model
from ..domain.parameters import with_presets
from ..domain.session import AUTO, CANCELLED
from .attempts import Attempts
from .command import GenerateCommand
from .hedging import Asked, Hedging
from .media import Media
from .ports import Clock, Generator
from .routing import Candidates, Router
from .state_tokens import Start, StateTokens
from .telemetry import Observed, Observer, Spent
from .told import Told
from .tracing import TRACE, AttemptSpan, GenerationSpan, SpanContext, Traced, Tracer
from .turns import SessionTurn, to_its_end

Output = TextDelta | ToolCallDelta | Progress | Generation
"""What a running generation gives: pieces, and last the whole."""


@define(kw_only=True)
class RunningGeneration:
    """A generation at work: iterate `outputs` for its pieces, or await `result` for the whole.

    `tokens` are those that it took so far, of a stream about as many as it has pieces. `generators` are the backends by
    provider name. `when_begun` is awaited each time that one has begun with it.
    """

    id: str
    command: GenerateCommand
    principal: Principal
    clock: Clock
    states: StateTokens
    media: Media
    router: Router
    generators: Mapping[str, Generator]
    observer: Observer
    tracer: Tracer
    turn: SessionTurn | None = None
    when_begun: Callable[[], Awaitable[None]] | None = None
    tokens: int = field(init=False, default=0)
    created_at: datetime = field(init=False)
    _candidates: Candidates = field(init=False)
    _told: Told = field(init=False)
    _lead_is_told: tuple[tuple[Message, ...], tuple[ArtifactPart, ...]] = field(init=False)
    _start: Start = field(init=False)
    _state: BackendState | None = field(init=False)
    _model: Model = field(init=False)
    _kept: tuple[Artifact, ...] = field(init=False, default=())

    @property
    def model(self) -> Model:
        """The model that answers, as far as that is known."""
        return self._model

    def settle(self, candidates: Candidates, told: Told, start: Start) -> None:
        """Settle who may be asked, what they are told, and where they go on from.

        Raises:
            InvalidRequest: the first of them cannot begin with it.
        """
        self.created_at = self.clock()
        self._candidates, self._told, self._start, self._state = candidates, told, start, start.backend
        self._model = candidates.lead
        self._lead_is_told = told.to(candidates.lead)

    async def discard_unanswered(self) -> None:
        """Delete the files that were kept for an answer that there is not in the end.

        To be called after the turn has ended: where it is not known whether the answer was stored, they stay.
        """
        if self._kept and (self.turn is None or self.turn.ended_without_result):
            await self.media.discard(self._kept)

    async def result(self) -> Generation:
        """The whole, once it is there."""
        whole = None
        async with aclosing(self.outputs()) as outputs:
            async for output in outputs:  # to its end, which costs less than to close it
                if isinstance(output, Generation):
                    whole = output
        if whole is None:
            raise StreamInterrupted
        return whole

    async def outputs(self) -> AsyncGenerator[Output, None]:
        """The pieces as they come, and last the `Generation`, which is durable by then.

        Raises:
            GatewayError: the generation failed; its turn has been ended as failed by then.
        """
        times, attempts = _Times(perf_counter()), Attempts(self.router, self._candidates)
        outcome, spent, whole = CANCELLED, list[Spent](), None
        trace = Traced(self.tracer, TRACE.get(), self._span)
        hedge_after_s = self.router.hedge_after_s(self._candidates.asked)
        hedging = Hedging(attempts, partial(self._ask, attempts, trace.context), hedge_after_s)
        try:
            while whole is None:
                self._model = model = await attempts.next()
                try:
                    async with hedging.first_output(model) as first:
                        event, lead = first, hedging.lead
                        self._model, times.started = lead.model, lead.started
                        while not isinstance(event, Completed):
                            if not isinstance(event, Started):
                                times.output()
                                self.tokens += 1
                                yield event
                            event = await anext(lead.events)
                        made = attempts.succeeded(lead.model, lead.took_s)
                        spent.append(Spent(lead.model.provider, lead.model.id, event.usage, len(event.files)))
                        whole, outcome = await self._complete(event, made, times), "ok"
                except GatewayError as error:
                    self._model, times.started = hedging.lead.model, hedging.lead.started
                    await self._go_on(hedging.lead, error, attempts, times)
        except GatewayError as error:
            error.attempts, outcome = tuple(attempts.made), error.code
            if self.turn:
                await self.turn.fail(error.code, str(error), error.attempts)
            raise
        finally:
            trace.end(None if outcome == "ok" else outcome)
            self.observer.generated(
                Observed(
                    owner=self.principal.id,
                    account=self.principal.account or self.principal.id,
                    modality=self.command.modality,
                    provider=self._model.provider,
                    model=self._model.id,
                    outcome=outcome,
                    attempts=tuple(attempts.made),
                    timing=times.summary(),
                    spent=tuple(spent),
                    pieces=self.tokens,
                )
            )
        yield whole  # what was used is noted by now, whatever ends the process next

    def _attempt(self, model: Model, trace: SpanContext | None) -> Traced:
        """The span of an attempt."""
        command = self.command
        told = partial(
            AttemptSpan,
            modality=command.modality,
            model=model,
            parameters=command.parameters,
            stream=command.stream,
            session_id=command.session_id,
            completed=None,
        )
        return Traced(self.tracer, trace, told)

    def _span(self, **span: Any) -> GenerationSpan:
        asked, command = self._candidates.asked.id, self.command
        return GenerationSpan(**span, id=self.id, modality=command.modality, model=asked, session_id=command.session_id)

    async def _go_on(self, asked: Asked, error: GatewayError, attempts: Attempts, times: "_Times") -> None:
        """Take note of a failure; raises it where no other try can mend it."""
        if isinstance(error, StateTokenRefused) and times.first_output is None and await self._falls_back(error.code):
            attempts.again(asked.model)
        elif attempts.passes_over(error):
            attempts.passed_over(asked.model, error)
        else:
            attempts.failed(asked.model, error, asked.took_s)
            if times.first_output is not None:
                raise error

    def _ask(self, attempts: Attempts, trace: SpanContext | None, model: Model) -> Asked:
        asked = Asked(model)
        asked.events = self._events(asked, attempts, trace)
        return asked

    async def _events(
        self, asked: Asked, attempts: Attempts, trace: SpanContext | None
    ) -> AsyncGenerator[GenerationEvent, None]:
        """What a model gives, from its first output to `Completed`; it is asked as long as this is open."""
        model = asked.model
        self.router.catalog.used(model, self.clock())
        async with await self._request(model) as request:
            self.router.begins(model)
            try:
                with self._attempt(model, trace) as attempt:
                    async with (
                        attempts.seat(model),
                        aclosing(self.generators[model.provider].generate(request)) as events,
                    ):
                        event = await self._first(asked, events, attempts)
                        while not isinstance(event, Completed):
                            if event is None:
                                raise StreamInterrupted
                            yield event
                            event = await anext(events, None)
                    attempt.told = partial(attempt.told, completed=event)
                yield event
            finally:
                self.router.ends(model)

    async def _first(
        self, asked: Asked, events: AsyncGenerator[GenerationEvent, None], attempts: Attempts
    ) -> GenerationEvent | None:
        """The first event after the beginning, None if there is none. A provider's is waited for so long; the models
        that run here say themselves who waits too long for them.
        """
        is_local, left_s = asked.model.provider == LOCAL, attempts.time_left_s
        while True:
            asked_at = perf_counter()
            try:
                coming = anext(events, None)
                event = await (coming if is_local else self.router.deadlines.limit(coming, left_s))
            except TimeoutError as exc:
                raise ProviderTimeout(detail="There was no output in the time that a request may take.") from exc
            if not isinstance(event, Started):
                return event
            asked.started = perf_counter()
            left_s -= asked.started - asked_at
            if self.when_begun:
                await to_its_end(self.when_begun())

    async def _request(self, model: Model) -> AbstractAsyncContextManager[GenerationRequest]:
        """What the model is asked, with the pictures that it begins with at hand, and a place for what it makes."""
        messages, pictures = self._lead_is_told if model is self._candidates.lead else self._told.to(model)
        is_text = self.command.modality is Modality.TEXT
        if is_text and SEES_PICTURES in model.capabilities:
            messages = await self.media.shown(messages, self.principal)
        request = GenerationRequest(
            id=self.id,
            modality=self.command.modality,
            model=model,
            messages=messages,
            parameters=with_presets(self.command.parameters, model.presets, model.parameters),
            stream=self.command.stream,
            session_id=self.command.session_id,
            state=self._state,
        )
        return nullcontext(request) if is_text else self.media.at_work(request, pictures, self.principal)

    async def _falls_back(self, code: str) -> bool:
        """Have the history told instead of the state that was refused, if that is what the client asked for."""
        if self.command.state_token != AUTO or not (self._state and self.turn and self._start.state_of):
            return False
        await self.turn.fall_back(self._start.state_of, code)
        self._state = None
        return True

    async def _complete(self, result: Completed, attempts: tuple[Attempt, ...], times: "_Times") -> Generation:
        if result.seed is None and self.command.parameters.seed is not None:
            result = evolve(result, seed=self.command.parameters.seed)
        if result.files:
            session_id = self.command.session_id
            kept = await self.media.keep(result, self.principal, session_id=session_id, generation_id=self.id)
            result = evolve(result, output=(*result.output, *(it.as_part() for it in kept)), files=())
            self._kept = kept
        self.tokens = result.usage.input_tokens + result.usage.output_tokens
        timing = times.summary()
        held = None
        if self.turn:
            held = self.states.issue(self.turn.session, result, self.model, self.clock())
            await self.turn.complete(result, self.model, attempts, timing, held)
        files = await self.media.delivered(self._kept, self.command.delivery) if self._kept else ()
        self._kept = ()
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
            files=files,
            metadata=self.command.metadata,
        )


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
