"""Routes as clients meet them."""

import openai
import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.adapters.memory.models import ListedModels
from pluggably.application.routes import RouteModels
from pluggably.domain.errors import ProviderUnavailable
from pluggably.domain.routing import RetryPolicy, Route
from tests.builders import a_model

from .world import World, client_of, serving

ROUTES = {"smart": Route(name="smart", tiers=(("studio/m",), ("tiny",)))}
BROKEN = {"failure": ProviderUnavailable(detail="Down.")}
AT_ONCE = RetryPolicy(attempts=3, first_pause_s=0, longest_pause_s=0)


class Listed(ListedModels):
    """`tiny` here, `studio/m` there, and the route over both."""

    def __init__(self) -> None:
        models = [a_model("tiny"), a_model("studio/m", provider="studio", origin="provider")]
        super().__init__(models)
        self.routes = RouteModels(ROUTES, [ListedModels(models)])

    async def models(self):
        return [*await self.routes.models(), *await super().models()]


def _world(**studio) -> World:
    return World(models=Listed(), studio=ScriptedGenerator(**studio), routes=ROUTES, retries=AT_ONCE)


async def test_a_route_answers_by_the_next_one_and_says_so():
    async with client_of(_world(**BROKEN).app()) as http:
        answer = (await http.post("/v1/generations/text", json={"model": "smart", "input": "Hello"})).json()
        assert answer["model"]["id"] == "tiny"
        assert [(it["model"], it["status"]) for it in answer["attempts"]] == [
            ("studio/m", "provider_unavailable"),
            ("tiny", "ok"),
        ]
        listed = {it["id"]: it for it in (await http.get("/v1/models")).json()["data"]}
        assert (listed["smart"]["provider"], listed["smart"]["modality"]) == ("route", "text")


async def test_a_stream_begins_with_the_one_that_answers():
    async with client_of(_world(**BROKEN).app()) as http:
        body = {"model": "smart", "input": "Hello", "stream": True}
        said = (await http.post("/v1/generations/text", json=body)).text
        assert '"id":"tiny"' in said.partition("\n\n")[0]
        assert "event: completed" in said


async def test_what_was_tried_several_times_is_told_and_not_multiplied_by_the_sdk():
    world = _world(**BROKEN)
    async with serving(world.app()) as url, openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none") as client:
        with pytest.raises(openai.InternalServerError) as failed:
            await client.chat.completions.create(model="studio/m", messages=[{"role": "user", "content": "Hello"}])
    assert failed.value.code == "provider_unavailable"
    assert len(world.services.generate.generators["studio"].requests) == 3


async def test_what_is_tried_again_in_the_background_ends_with_the_answer():
    world = _world(**BROKEN)
    async with client_of(world.app(lifespan=world.at_work)) as http:
        body = {"model": "smart", "input": "Hello", "background": True}
        job = (await http.post("/v1/generations/text", json=body)).headers["location"]
        ended = (await http.get(job, headers={"Prefer": "wait=20"})).json()
        assert (ended["status"], ended["model"]["id"]) == ("completed", "tiny")


async def test_what_failed_in_the_background_tells_every_try():
    world = _world(**BROKEN)
    async with client_of(world.app(lifespan=world.at_work)) as http:
        body = {"model": "studio/m", "input": "Hello", "background": True}
        job = (await http.post("/v1/generations/text", json=body)).headers["location"]
        failed = (await http.get(job, headers={"Prefer": "wait=20"})).json()
        assert failed["status"] == "failed"
        assert [it["status"] for it in failed["error"]["attempts"]] == ["provider_unavailable"] * 3
        followed = (await http.get(f"{job}/events")).text
        assert followed.count('"status":"provider_unavailable"') == 3


async def test_the_problem_has_every_try():
    async with client_of(_world(**BROKEN).app()) as http:
        refused = await http.post("/v1/generations/text", json={"model": "studio/m", "input": "Hello"})
        assert refused.status_code == 503
        assert refused.headers["x-should-retry"] == "false"
        assert [it["status"] for it in refused.json()["attempts"]] == ["provider_unavailable"] * 3
