"""The contract of media generators, kept by the `openai` provider: against our own stub of the image API, and against
another gateway, a process of its own that draws with a local model."""

import pytest

from pluggably.adapters.providers.openai.provider import OpenAIProvider
from pluggably.domain.generation import Progress
from pluggably.testing.media_generator import MediaGeneratorContract, events_of

from ..integration.providers.image_answers import asked_of, drawing
from ..integration.providers.openai_server import openai_server
from ..integration.service import Service


class TestAgainstTheStub(MediaGeneratorContract):
    @pytest.fixture
    async def generator(self):
        async with openai_server(drawing) as server:
            provider = server.provider(models=["gpt-image-*"], extra_parameters=["seed"])
            yield provider
            await provider.close()

    @pytest.fixture
    def request_(self, generator):
        return asked_of(generator, None, stream=True, preview_every=1, seed=5)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gateway")
    with Service(folder, folder / "models") as service:
        yield service


class TestAgainstAnotherGateway(MediaGeneratorContract):
    @pytest.fixture
    async def generator(self, gateway):
        provider = OpenAIProvider(
            name="stub",
            base_url=f"{gateway.url}/v1",
            api_key=None,
            models=["tiny-shapes"],
            image_models=["tiny-shapes"],
            extra_parameters=["seed", "steps", "guidance_scale", "negative_prompt", "format", "preview_every"],
        )
        yield provider
        await provider.close()

    @pytest.fixture
    def request_(self, generator):
        return asked_of(generator, None, model="tiny-shapes", stream=True, preview_every=1, seed=5, steps=8)

    async def test_previews_come_while_it_draws(self, generator, placed):
        events = await events_of(generator, placed())
        previews = [event.preview for event in events if isinstance(event, Progress)]
        assert [bool(preview) for preview in previews] == [True, True, True, False]
        assert len(set(previews)) == 4
