"""A generator without a model: it says what it was told to say. For tests, and to develop clients against."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from typing import Final

from attrs import define, field

from ...domain.errors import GatewayError, StateTokenRefused
from ...domain.generation import (
    BackendState,
    Completed,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    Started,
    TextDelta,
    TextPart,
    Usage,
)
from ...domain.parameters import TextParameters

Answer = str | Callable[[GenerationRequest], str]

COUNTING: Final = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"


@define(kw_only=True)
class ScriptedGenerator:
    """Answers with a text, or with what a function makes of the request; a word and the space after it are one token.

    With `remembers` it gives a state after each answer, and goes on from those that it gave; `states` are the values of
    those. With `failure` it raises that, after `fails_after` tokens. With `gate` it waits for that event before
    every token. `requests` has what it was asked, `tokens` counts what it gave out, `running` those at work, and
    `closed` says whether it was closed.
    """

    answer: Answer = COUNTING
    remembers: bool = False
    failure: GatewayError | None = None
    fails_after: int = 0
    gate: asyncio.Event | None = None
    requests: list[GenerationRequest] = field(init=False, factory=list)
    tokens: int = field(init=False, default=0)
    running: int = field(init=False, default=0)
    closed: bool = field(init=False, default=False)
    states: set[str] = field(init=False, factory=set)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Give the answer token by token, `max_tokens` at most."""
        self.requests.append(request)
        if request.state and request.state.value not in self.states:
            raise StateTokenRefused(detail="The scripted generator does not remember that state.")
        self.running += 1
        try:
            yield Started()
            words = tokens(self.answer if isinstance(self.answer, str) else self.answer(request))
            allowed = words[: request.parameters_as(TextParameters).max_tokens]
            for given, word in enumerate(allowed):
                await self._may_go_on(given)
                self.tokens += 1
                yield TextDelta(word)
            await self._may_go_on(len(allowed))
            state = self._remembered(request) if self.remembers else None
            yield _completed(request, allowed, cut=len(allowed) < len(words), state=state)
        finally:
            self.running -= 1

    async def forget(self, state: BackendState) -> None:
        """Go on from it no more; raises `failure`, if there is one."""
        if self.failure is not None:
            raise self.failure
        self.states.discard(state.value)

    async def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True

    def _remembered(self, request: GenerationRequest) -> BackendState:
        self.states.add(request.id)
        return BackendState(kind="scripted.answer", value=request.id)

    async def _may_go_on(self, given: int) -> None:
        if self.failure is not None and given >= self.fails_after:
            raise self.failure
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)


def tokens(text: str) -> list[str]:
    """The words of a text, each with the space after it: together they are the text."""
    return re.findall(r"\s*\S+\s?|\s+", text)


def _completed(request: GenerationRequest, given: list[str], *, cut: bool, state: BackendState | None) -> Completed:
    return Completed(
        output=(TextPart("".join(given)),),
        finish_reason=FinishReason.LENGTH if cut else FinishReason.STOP,
        usage=Usage(
            input_tokens=sum(len(tokens(message.text)) for message in request.messages),
            output_tokens=len(given),
            source="runner",
        ),
        seed=request.parameters_as(TextParameters).seed,
        state=state,
    )
