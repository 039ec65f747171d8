"""The whole service before two slow upstreams: a route asks both, and one of them answers."""

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest
import pytest_asyncio

from tests.integration.faults.table import DONE, ONE, STOP, TWO
from tests.integration.http.world import events_of, raw_connection
from tests.integration.providers.openai_server import Call, hang, openai_server
from tests.integration.service import Service

SETTINGS = """
[[providers]]
name = "slow"
base_url = "{slow}"
models = ["m"]
[[providers]]
name = "quick"
base_url = "{quick}"
models = ["m"]
[[routes]]
name = "smart"
models = ["slow/m", "quick/m"]
hedge_after_ms = 1
"""
pytestmark = pytest.mark.asyncio(loop_scope="module")

BODY = b'{"model": "smart", "input": "Hi", "stream": true}'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory):
    """The service with its two upstreams."""
    folder = tmp_path_factory.mktemp("service")
    (folder / "models").mkdir()
    async with AsyncExitStack() as stack:
        slow, quick = [await stack.enter_async_context(openai_server(hang)) for _ in range(2)]
        settings = SETTINGS.format(slow=slow.base_url, quick=quick.base_url)
        service = stack.enter_context(Service(folder, folder / "models", settings))
        yield service, slow, quick


@pytest.fixture
def gateway(running):
    """The same, with upstreams that say nothing until they are told to."""
    for upstream in running[1:]:
        upstream.answer = hang
        upstream.called.clear()
        upstream.left.clear()
    return running


async def test_the_quick_one_answers_and_the_slow_one_is_let_go_at_once(gateway):
    service, slow, quick = gateway

    async def answer(call: Call) -> None:
        await call.begin_stream()
        await call.event(ONE)
        await slow.left.wait()  # it goes on only after that: nothing that comes later can be what ends the other
        for event in (TWO, STOP, DONE):
            await call.event(event)
        await call.end_stream()

    quick.answer = answer
    async with httpx.AsyncClient(base_url=service.url, timeout=20) as http:
        session_id = (await http.post("/v1/sessions", json={})).json()["id"]
        body = {"model": "smart", "input": "Hi", "stream": True, "session_id": session_id}
        events = events_of((await http.post("/v1/generations/text", json=body)).text)
        turns = (await http.get(f"/v1/sessions/{session_id}/events")).json()["data"]
    (name, whole), text = events[-1], "".join(data["text"] for name, data in events if name == "delta")
    assert (name, text, whole["output"][0]["text"]) == ("completed", "one two", "one two")
    assert events[0][1]["model"]["id"] == whole["model"]["id"] == "quick/m"
    tried = [(it["model"], it["status"]) for it in whole["attempts"]]
    assert tried == [("slow/m", "hedged_away"), ("quick/m", "ok")]
    stored = [it["data"]["attempts"] for it in turns if "attempts" in it["data"]]
    assert stored == [whole["attempts"]]


async def test_a_client_that_leaves_lets_go_of_both(gateway):
    service, slow, quick = gateway
    async with raw_connection(service.url) as client, asyncio.timeout(20):
        await client.post("/v1/generations/text", BODY)
        await slow.called.wait()
        await quick.called.wait()
        assert not (slow.left.is_set() or quick.left.is_set())
        client.leave()
        await slow.left.wait()
        await quick.left.wait()
