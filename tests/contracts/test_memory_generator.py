import asyncio
from contextlib import aclosing

import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.domain.errors import ProviderOverloaded
from pluggably.domain.generation import Completed, TextDelta
from pluggably.testing.generator import GeneratorContract

from ..builders import a_request


class TestScriptedGenerator(GeneratorContract):
    @pytest.fixture
    def generator(self):
        return ScriptedGenerator()

    @pytest.fixture
    def request_(self):
        return a_request()


async def test_it_says_what_a_function_makes_of_the_request():
    generator = ScriptedGenerator(answer=lambda request: request.messages[-1].text.upper())
    events = [event async for event in generator.generate(a_request("hello there"))]
    assert events[-1].output[0].text == "HELLO THERE"
    assert generator.tokens == 2
    assert [request.messages[-1].text for request in generator.requests] == ["hello there"]


@pytest.mark.parametrize("given", [0, 2])
async def test_it_fails_when_it_is_told_to(given):
    generator = ScriptedGenerator(failure=ProviderOverloaded(), fails_after=given)
    events = []
    with pytest.raises(ProviderOverloaded):
        async for event in generator.generate(a_request()):
            events.append(event)
    assert len([event for event in events if isinstance(event, TextDelta)]) == given
    assert not any(isinstance(event, Completed) for event in events)


async def test_it_is_held_until_its_gate_opens():
    gate = asyncio.Event()
    generator = ScriptedGenerator(gate=gate)
    async with aclosing(generator.generate(a_request())) as events:
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        assert not waiting.done()
        gate.set()
        assert await waiting == TextDelta("one ")


async def test_a_closed_generation_is_no_longer_running():
    generator = ScriptedGenerator()
    async with aclosing(generator.generate(a_request())) as events:
        await anext(events)
        await anext(events)
        assert (generator.running, generator.tokens) == (1, 1)
    assert (generator.running, generator.tokens) == (0, 1)
