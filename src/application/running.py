"""A generation at work: what its backend gives, put together, kept, and told in the end."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from time import perf_counter

from attrs import define, evolve, field

from ..domain.access import Principal
from ..domain.crossing import SEES_PICTURES
from ..domain.errors import GatewayError, StateTokenRefused, StreamInterrupted
from ..domain.generation import (
    ArtifactPart,
    Attempt,
    Completed,
    Generation,
    GenerationRequest,
    Message,
    Progress,
    Started,
    TextDelta,
    Timing,
    ToolCallDelta,
)
from ..domain.model import Modality, Model
from ..domain.parameters import with_presets
from ..domain.session import AUTO
from .command import GenerateCommand
from .media import Media
from .ports import Clock, Generator
from .state_tokens import Start, StateTokens
from .turns import SessionTurn

Output = TextDelta | ToolCallDelta | Progress | Generation
"""What a running generation gives: pieces, and last the whole."""


@define(kw_only=True)
class RunningGeneration:
    """A generation at work: iterate `outputs` for its pieces, or await `result` for the whole."""

    id: str
    command: GenerateCommand
    principal: Principal
    clock: Clock
    states: StateTokens
    media: Media
    turn: SessionTurn | None = None
    created_at: datetime = field(init=False)
    _request: GenerationRequest = field(init=False)
    _generator: Generator = field(init=False)
    _start: Start = field(init=False)
    _pictures: tuple[ArtifactPart, ...] = field(init=False)

    @property
    def model(self) -> Model:
        """The model that answers."""
        return self._request.model

    def prepare(
        self,
        model: Model,
        messages: tuple[Message, ...],
        generator: Generator,
        start: Start,
        pictures: tuple[ArtifactPart, ...] = (),
    ) -> None:
        """Settle what will be asked, and of whom; the model begins with `pictures`."""
        self.created_at = self.clock()
        self._generator, self._start, self._pictures = generator, start, pictures
        self._request = GenerationRequest(
            id=self.id,
            modality=self.command.modality,
            model=model,
            messages=messages,
            parameters=with_presets(self.command.parameters, model.presets, model.parameters),
            stream=self.command.stream,
            session_id=self.command.session_id,
            state=start.backend,
        )

    @asynccontextmanager
    async def files(self) -> AsyncIterator[None]:
        """Have the pictures that the model begins with at hand, and a place for what it makes, until this is left."""
        if self.command.modality is Modality.TEXT:
            if SEES_PICTURES in self.model.capabilities:
                messages = await self.media.shown(self._request.messages, self.principal)
                self._request = evolve(self._request, messages=messages)
            yield
            return
        async with self.media.at_work(self._request, self._pictures, self.principal) as self._request:
            yield

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
        if result.files:
            session_id = self.command.session_id
            result = await self.media.kept(result, self.principal, session_id=session_id, generation_id=self.id)
        attempts, timing = (self._attempt("ok", times),), times.summary()
        held = None
        if self.turn:
            held = self.states.issue(self.turn.session, result, self.model, self.clock())
            await self.turn.complete(result, self.model, attempts, timing, held)
        files = await self.media.delivered(result, self.principal, self.command.delivery)
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
