"""What every text `Generator` promises; a test module per adapter subclasses this and provides the two fixtures."""

import asyncio
from contextlib import aclosing

import pytest
from attrs import evolve

from ..application.ports import Generator
from ..domain.errors import StateTokenRefused
from ..domain.generation import BackendState, Completed, FinishReason, GenerationRequest, Started, TextDelta
from ..domain.parameters import TextParameters


class GeneratorContract:
    """Fixtures to provide: `generator`, and `request_` — one that it answers with at least 16 tokens, streamed."""

    @pytest.fixture
    def generator(self) -> Generator:
        raise NotImplementedError

    @pytest.fixture
    def request_(self) -> GenerationRequest:
        raise NotImplementedError

    async def test_it_starts_streams_and_completes_in_this_order(self, generator, request_):
        events = [event async for event in generator.generate(request_)]
        assert isinstance(events[0], Started)
        assert isinstance(events[-1], Completed)
        assert len(events) > 4
        assert all(isinstance(event, TextDelta) for event in events[1:-1])

    async def test_the_deltas_add_up_to_the_output(self, generator, request_):
        events = [event async for event in generator.generate(request_)]
        streamed = "".join(event.text for event in events if isinstance(event, TextDelta))
        assert streamed == "".join(part.text for part in events[-1].output)
        assert streamed

    async def test_usage_is_counted(self, generator, request_):
        events = [event async for event in generator.generate(request_)]
        usage = events[-1].usage
        assert usage.input_tokens > 0
        assert usage.output_tokens > 0
        assert 0 <= usage.cached_input_tokens <= usage.input_tokens

    async def test_max_tokens_ends_the_output_with_length(self, generator, request_):
        short = evolve(request_, parameters=TextParameters(max_tokens=2))
        events = [event async for event in generator.generate(short)]
        assert events[-1].finish_reason is FinishReason.LENGTH
        assert events[-1].usage.output_tokens <= 2

    async def test_requests_run_side_by_side_without_mixing(self, generator, request_):
        async def output(number: int) -> str:
            mine = evolve(request_, id=f"gen_{number}")
            events = [event async for event in generator.generate(mine)]
            assert "".join(e.text for e in events if isinstance(e, TextDelta)) == events[-1].output[0].text
            return events[-1].output[0].text

        assert all(await asyncio.gather(*(output(number) for number in range(4))))

    async def test_a_state_that_it_never_gave_is_refused_before_any_output(self, generator, request_):
        foreign = evolve(request_, state=BackendState(kind="somebody.else", value="x"))
        with pytest.raises(StateTokenRefused):
            async for event in generator.generate(foreign):
                assert isinstance(event, Started)

    async def test_closing_early_leaves_it_usable(self, generator, request_):
        async with aclosing(generator.generate(request_)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    break
        again = [event async for event in generator.generate(request_)]
        assert isinstance(again[-1], Completed)

    async def test_cancelling_the_waiting_task_leaves_it_usable(self, generator, request_):
        started = asyncio.Event()

        async def consume() -> None:
            async for _ in generator.generate(request_):
                started.set()

        task = asyncio.create_task(consume())
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        again = [event async for event in generator.generate(request_)]
        assert isinstance(again[-1], Completed)
