"""A client that leaves stops the work, wherever it is."""

import asyncio
import json

import pytest

from pluggably.application.sessions import OpenSession
from pluggably.domain.access import LOCAL_OPERATOR
from pluggably.domain.session import TurnStatus
from pluggably.entrypoints.http.services import HttpOptions
from tests.integration.http.world import Endless, World, raw_connection, serving

ROUTES = {
    "native": ("/v1/generations/text", {"input": "x"}),
    "openai": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]}),
}


@pytest.fixture(params=ROUTES)
def route(request):
    return ROUTES[request.param]


async def ended(generator: Endless) -> None:
    await asyncio.wait_for(generator.ended.wait(), 10)


@pytest.mark.parametrize("stream", [True, False])
async def test_before_the_first_token(route, stream):
    generator = Endless(gate=asyncio.Event())
    path, body = route
    async with serving(World(generator).app()) as url, raw_connection(url) as client:
        await client.post(path, json.dumps({**body, "stream": stream}).encode())
        await generator.begun.wait()
        client.leave()
        await ended(generator)
    assert generator.tokens == 0


async def test_after_the_first_ping_and_before_the_first_token(route):
    generator = Endless(gate=asyncio.Event())
    path, body = route
    app = World(generator).app(HttpOptions(access_log=False, ping_interval_s=0.01))
    async with serving(app) as url, raw_connection(url) as client:
        await client.post(path, json.dumps({**body, "stream": True}).encode())
        await client.until(b": ping")
        client.leave()
        await ended(generator)
    assert generator.tokens == 0


async def test_in_the_middle_of_a_stream(route):
    generator = Endless()
    path, body = route
    async with serving(World(generator).app()) as url, raw_connection(url) as client:
        await client.post(path, json.dumps({**body, "stream": True}).encode())
        await client.until(b"token ")
        client.leave()
        await ended(generator)
        given = generator.tokens
        for _ in range(100):
            await asyncio.sleep(0)
        assert generator.tokens == given


async def test_in_the_middle_of_an_answer_that_is_not_streamed(route):
    generator = Endless()
    path, body = route
    async with serving(World(generator).app()) as url, raw_connection(url) as client:
        await client.post(path, json.dumps(body).encode())
        await generator.begun.wait()
        client.leave()
        await ended(generator)


async def test_while_its_body_is_on_the_way():
    world = World()
    async with serving(world.app()) as url, raw_connection(url) as client:
        await client.send(b"POST /v1/generations/text HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        client.leave()
    assert world.generator.requests == []


async def test_the_turn_is_stored_as_cancelled_and_the_session_takes_the_next():
    world = World(Endless())
    session = await world.services.sessions.open(OpenSession(), LOCAL_OPERATOR, "req")
    body = json.dumps({"input": "x", "stream": True, "session_id": session.id}).encode()
    async with serving(world.app()) as url:
        async with raw_connection(url) as client:
            await client.post("/v1/generations/text", body)
            await client.until(b"event: delta")
        async with raw_connection(url) as client:  # waits until the turn before has ended
            await client.post("/v1/generations/text", body)
            await client.until(b"event: delta")
            stored = await world.services.sessions.get(session.id, LOCAL_OPERATOR)
    assert [turn.status for turn in stored.turns] == [TurnStatus.CANCELLED, TurnStatus.RUNNING]


async def test_the_log_says_that_the_client_left(capsys):
    generator = Endless(gate=asyncio.Event())
    async with serving(World(generator).app(HttpOptions())) as url, raw_connection(url) as client:
        await client.post("/v1/generations/text", b'{"input":"x"}')
        await generator.begun.wait()
        client.leave()
        await ended(generator)
    logged = capsys.readouterr()
    assert "status=499" in logged.out
    assert "Traceback" not in logged.out + logged.err
