"""The model that is asked next and, where a route wants that, a second one beside it when the first one is slow.

The first that brings anything answers, and nothing of the other one is looked at: it is stopped at once, has neither
failed nor done well, and is told of as `hedged_away`. There are never more than two, and never one model twice.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import perf_counter

from attrs import define, field, frozen

from ..domain.errors import GatewayError, Rejected
from ..domain.generation import GenerationEvent
from ..domain.model import Model
from .attempts import Attempts
from .turns import to_its_end

_First = asyncio.Task[GenerationEvent]


@define(eq=False)
class Asked:
    """A model that is asked; `events` are what it gives, from its first output to `Completed`, or they raise.

    `started` is when it began to work on it.
    """

    model: Model
    events: AsyncGenerator[GenerationEvent, None] = field(init=False)
    begun: float = field(init=False, factory=perf_counter)
    started: float | None = field(init=False, default=None)

    @property
    def took_s(self) -> float:
        """How long ago it was asked."""
        return perf_counter() - self.begun


@define(eq=False)
class Hedging:
    """Asks for one request. `lead` is the one that answers or, after an error, whose error it is.

    `ask` begins to ask a model. `after_s` is how long the first output of one is waited for alone; None: always alone.
    """

    attempts: Attempts
    ask: Callable[[Model], Asked]
    after_s: float | None
    lead: Asked = field(init=False)

    def first_output(self, model: Model) -> AbstractAsyncContextManager[GenerationEvent]:
        """The first output of the model, or of a second one. Leaving it ends all the work.

        Raises:
            GatewayError: when it is entered: there is none. This failure is not noted as an attempt yet, which one
                before it is.
        """
        self.lead = self.ask(model)
        return _Alone(self.lead.events) if self.after_s is None else self._hedged(self.lead, self.after_s)

    @asynccontextmanager
    async def _hedged(self, first: Asked, after_s: float) -> AsyncIterator[GenerationEvent]:
        asked = {_first_of(first): first}
        try:
            done, _ = await asyncio.wait(asked, timeout=after_s)
            if not done and (other := self.attempts.second(first.model)):
                second = self.ask(other)
                asked[_first_of(second)] = second
            yield await self._first(asked)
        finally:
            for task in asked:
                task.cancel()
            await to_its_end(_closed(asked))

    async def _first(self, asked: Mapping[_First, Asked]) -> GenerationEvent:
        first, alive = next(iter(asked)), set(asked)
        while True:
            await asyncio.wait(alive, return_when=asyncio.FIRST_COMPLETED)
            for task in [it for it in asked if it in alive and it.done()]:  # in the order of asking
                self.lead = asked[task]
                alive.remove(task)
                if not (error := task.exception()):
                    self._call_off(asked, alive)
                    return task.result()
                if not isinstance(error, GatewayError):
                    raise error
                passes = self.attempts.passes_over(error) or (isinstance(error, Rejected) and task is not first)
                if not (alive and (passes or error.falls_back)):
                    self._call_off(asked, alive)
                    raise error
                if passes:
                    self.attempts.passed_over(self.lead.model, error)
                else:
                    self.attempts.failed(self.lead.model, error, self.lead.took_s)

    def _call_off(self, asked: Mapping[_First, Asked], others: set[_First]) -> None:
        for task in others:
            task.cancel()
            self.attempts.hedged_away(asked[task].model, asked[task].took_s)


@frozen
class _Alone:
    """What a model gives that is asked alone. As a class: almost every request would pay for a generator."""

    events: AsyncGenerator[GenerationEvent, None]

    async def __aenter__(self) -> GenerationEvent:
        return await anext(self.events)

    async def __aexit__(self, *_: object) -> None:
        await self.events.aclose()


def _first_of(asked: Asked) -> _First:
    return asyncio.create_task(_next(asked))


async def _next(asked: Asked) -> GenerationEvent:
    return await anext(asked.events)


async def _closed(asked: Mapping[_First, Asked]) -> None:
    await asyncio.gather(*asked, return_exceptions=True)
    await asyncio.gather(*(it.events.aclose() for it in asked.values()))
