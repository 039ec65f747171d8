"""Start and end of the service."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from tests.integration.http.world import TLS, Endless, World, client_of, events_of, serving


async def test_it_is_alive_and_ready(http):
    assert (await http.get("/health/live")).json() == {"status": "ok"}
    assert (await http.get("/health/ready")).json() == {"status": "ready"}


async def test_it_is_not_ready_before_it_has_started():
    transport = httpx.ASGITransport(World().app())
    async with httpx.AsyncClient(transport=transport, base_url="http://x") as http:
        assert (await http.get("/health/ready")).json() == {"status": "starting"}
        assert (await http.get("/health/live")).status_code == 200


async def test_what_it_lives_on_is_opened_before_the_first_request_and_closed_after_the_last():
    said = []

    @asynccontextmanager
    async def lifespan():
        said.append("opened")
        yield
        said.append("closed")

    async with client_of(World().app(lifespan=lifespan)) as http:
        assert (await http.get("/health/ready")).status_code == 200
        assert said == ["opened"]
    assert said == ["opened", "closed"]


async def test_a_failed_start_is_said_to_the_server():
    @asynccontextmanager
    async def lifespan():
        raise RuntimeError("no database")
        yield

    sent = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        sent.append(message)

    await World().app(lifespan=lifespan)({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "lifespan.startup.failed", "message": "no database"}]


async def test_while_it_leaves_it_is_not_ready_and_each_answer_is_the_last_on_its_connection():
    app = World().app()
    async with client_of(app) as http:
        assert "connection" not in (await http.get("/v1/models")).headers
        app.leave()
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
        served = await http.get("/v1/models")
        assert (served.status_code, served.headers["connection"]) == (200, "close")


async def test_while_it_drains_new_requests_are_refused_and_running_ones_finish():
    gate = asyncio.Event()
    generator = ScriptedGenerator(gate=gate)
    app = World(generator).app()
    async with client_of(app) as http:
        running = asyncio.create_task(http.post("/v1/generations/text", json={"input": "x", "stream": True}))
        while not generator.running:
            await http.get("/health/live")
        app.drain()
        refused = await http.get("/v1/models")
        assert (refused.status_code, refused.json()["code"]) == (503, "draining")
        assert int(refused.headers["retry-after"]) > 0
        assert refused.headers["connection"] == "close"
        assert (await http.get("/health/ready")).status_code == 503
        assert (await http.get("/health/live")).status_code == 200
        gate.set()
        assert events_of((await running).text)[-1][0] == "completed"


async def test_what_has_not_finished_when_the_time_is_over_is_told_so(capsys):
    generator = Endless(gate=asyncio.Event())
    app = World(generator).app()
    async with httpx.AsyncClient(verify=TLS) as http:
        async with serving(app, graceful_s=0) as url:
            running = asyncio.create_task(http.post(f"{url}/v1/generations/text", json={"input": "x"}))
            await generator.begun.wait()
            app.drain()
        stopped = await running
    assert (stopped.status_code, stopped.json()["code"]) == (503, "draining")
    assert generator.ended.is_set()
    assert "Traceback" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("path", ["/v1/models", "/nowhere"])
async def test_a_websocket_is_refused(path):
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message)

    await World().app()({"type": "websocket", "path": path}, receive, send)
    assert sent == [{"type": "websocket.close"}]
