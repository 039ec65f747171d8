"""The contract over the generator without a model, and what tests can make it do."""

import asyncio
from contextlib import aclosing

import pytest
from attrs import evolve
from PIL import Image

from pluggably.adapters.memory.media import ScriptedMediaGenerator
from pluggably.domain.errors import InvalidRequest, ProviderOverloaded
from pluggably.domain.generation import Progress
from pluggably.testing.media_generator import MediaGeneratorContract, content_of, events_of, left_in
from tests.builders import a_picture_request, a_request, a_solid_request
from tests.integration.runners.glb import read_glb


class TestScriptedPictures(MediaGeneratorContract):
    @pytest.fixture
    def generator(self):
        return ScriptedMediaGenerator()

    @pytest.fixture
    def request_(self):
        return a_picture_request("a red circle", None, n=2)


class TestScriptedMeshes(MediaGeneratorContract):
    @pytest.fixture
    def generator(self):
        return ScriptedMediaGenerator()

    @pytest.fixture
    def request_(self):
        return a_solid_request("a red cone", None)


async def test_a_picture_has_the_size_that_was_asked_for_and_the_prompts_colour(tmp_path):
    generator, colours = ScriptedMediaGenerator(), []
    for prompt in ("red", "blue", "red"):
        request = a_picture_request(prompt, tmp_path, width=24, height=16, seed=7)
        (file,) = (await events_of(generator, request))[-1].files
        with Image.open(file.path) as picture:
            assert (picture.format, picture.size) == ("PNG", (24, 16))
            colours.append(picture.getpixel((0, 0)))
    assert colours[0] == colours[2] != colours[1]


async def test_a_mesh_is_a_tetrahedron_as_its_facts_say(tmp_path):
    (file,) = (await events_of(ScriptedMediaGenerator(), a_solid_request("red", tmp_path)))[-1].files
    mesh = read_glb(content_of(file))
    assert file.facts == {
        "vertices": len(mesh.vertices),
        "faces": len(mesh.faces),
        "bounds": [mesh.vertices.min(axis=0).tolist(), mesh.vertices.max(axis=0).tolist()],
    }


async def test_steps_and_previews_come_as_they_are_asked_for(tmp_path):
    events = await events_of(ScriptedMediaGenerator(), a_picture_request("red", tmp_path, steps=6, preview_every=3))
    assert [event.step for event in events[1:-1] if event.preview] == [3, 6]
    assert len(events[1:-1]) == 6


async def test_it_goes_on_from_the_states_that_it_gave_until_it_is_told_to_forget_them(tmp_path):
    generator = ScriptedMediaGenerator(remembers=True)
    state = (await events_of(generator, a_picture_request("red", tmp_path)))[-1].state
    assert state.value in generator.states
    await generator.forget(state)
    assert not generator.states


@pytest.mark.parametrize("given", [0, 2])
async def test_it_fails_when_it_is_told_to(tmp_path, given):
    generator, events = ScriptedMediaGenerator(failure=ProviderOverloaded(), fails_after=given), []
    with pytest.raises(ProviderOverloaded):
        async for event in generator.generate(a_picture_request("red", tmp_path)):
            events.append(event)
    assert len([event for event in events if isinstance(event, Progress)]) == given
    assert not left_in(tmp_path)


async def test_it_is_held_until_its_gate_opens(tmp_path):
    gate = asyncio.Event()
    generator = ScriptedMediaGenerator(gate=gate)
    async with aclosing(generator.generate(a_picture_request("red", tmp_path))) as events:
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        assert (waiting.done(), generator.running) == (False, 1)
        gate.set()
        assert (await waiting).step == 1
    assert generator.running == 0


async def test_what_it_does_not_make_is_refused(tmp_path):
    for refused in (a_picture_request("red", tmp_path, format="webp"), evolve(a_request(), workspace=str(tmp_path))):
        with pytest.raises(InvalidRequest):
            await events_of(ScriptedMediaGenerator(), refused)
