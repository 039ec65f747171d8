"""The same request sent twice is carried out once."""

import asyncio

import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.domain.errors import ProviderUnavailable
from tests.integration.http.test_sessions import GENERATE, opened
from tests.integration.http.world import World, client_of, events_of

KEY = {"Idempotency-Key": "once-0001"}


async def ask(http, session_id: str, text: str = "Hello", **wanted):
    return await http.post(GENERATE, json={"input": text, "session_id": session_id, **wanted}, headers=KEY)


async def statuses(http, session_id: str) -> list[str]:
    return [it["status"] for it in (await http.get(f"/v1/sessions/{session_id}/turns")).json()["data"]]


async def test_a_turn_that_is_sent_again_has_the_first_answer(world, http):
    session = await opened(http)
    first = await ask(http, session, metadata={"a": "b"}, parameters={"seed": 3})
    await http.post(GENERATE, json={"input": "Something else", "session_id": session})
    again = await ask(http, session, metadata={"a": "b"}, parameters={"seed": 3})
    assert (again.status_code, again.json()) == (200, first.json())
    assert await statuses(http, session) == ["completed", "completed"]
    assert len(world.generator.requests) == 2


async def test_a_stream_that_is_sent_again_ends_like_the_first(world, http):
    session = await opened(http)
    first, again = [events_of((await ask(http, session, stream=True)).text) for _ in range(2)]
    assert [name for name, _ in again] == ["started", "delta", "completed"]
    assert "".join(it["text"] for name, it in again if name == "delta") == first[-1][1]["output"][0]["text"]

    def without_place(event):
        return {name: value for name, value in event[1].items() if name != "sequence"}

    assert without_place(again[-1]) == without_place(first[-1])
    assert len(world.generator.requests) == 1


async def test_openai_clients_may_send_again_too(world, http):
    session = await opened(http)
    body = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}], "session_id": session}
    first, again = [await http.post("/v1/chat/completions", json=body, headers=KEY) for _ in range(2)]
    assert (again.status_code, again.json()) == (200, first.json())
    assert len(world.generator.requests) == 1


async def test_a_session_is_opened_once_and_shown_as_it_was_then(http):
    first = await http.post("/v1/sessions", json={"title": "Trip"}, headers=KEY)
    await http.post(f"/v1/sessions/{first.json()['id']}/close")
    again = await http.post("/v1/sessions", json={"title": "Trip"}, headers=KEY)
    assert (again.status_code, again.json(), again.headers["etag"]) == (201, first.json(), '"1"')
    assert len((await http.get("/v1/sessions")).json()["data"]) == 1


async def test_sent_twice_at_once_a_session_is_opened_once(http):
    both = await asyncio.gather(*(http.post("/v1/sessions", json={}, headers=KEY) for _ in range(8)))
    assert len({it.json()["id"] for it in both}) == 1


async def test_a_key_of_another_request_is_refused(http):
    session = await opened(http)
    await ask(http, session)
    for refused in (
        await ask(http, session, "Something else"),
        await http.post("/v1/sessions", json={}, headers=KEY),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_mismatch")
    assert await statuses(http, session) == ["completed"]


async def test_while_the_first_runs_the_second_is_told_to_wait():
    gate = asyncio.Event()
    world = World(ScriptedGenerator(gate=gate))
    async with client_of(world.app()) as http:
        session = await opened(http)
        first = asyncio.create_task(ask(http, session))
        while not world.generator.running:
            await http.get("/health/live")
        second = await ask(http, session)
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_in_progress")
        assert second.headers["retry-after"] == "1"
        gate.set()
        assert (await first).json() == (await ask(http, session)).json()


async def test_a_failure_is_no_answer_so_that_the_key_can_be_sent_again():
    failing = ScriptedGenerator(failure=ProviderUnavailable(detail="Gone."))
    async with client_of(World(failing).app()) as http:
        session = await opened(http)
        for _ in range(2):
            assert (await ask(http, session)).status_code == 503
        failing.failure = None
        answers = [await ask(http, session) for _ in range(2)]
        assert [it.status_code for it in answers] == [200, 200]
        assert answers[0].json() == answers[1].json()
        assert await statuses(http, session) == ["failed", "failed", "completed"]


@pytest.mark.parametrize("key", ["", "two words", "x" * 256])
async def test_a_key_of_another_form_is_refused(http, key):
    for path, body in (("/v1/sessions", {}), (GENERATE, {"input": "x"})):
        refused = await http.post(path, json=body, headers={"Idempotency-Key": key})
        assert refused.json()["errors"][0]["pointer"] == "/headers/Idempotency-Key"


async def test_without_a_session_there_is_nothing_to_answer_from(world, http):
    body = {"input": "x"}
    refused = await http.post(GENERATE, json=body, headers=KEY)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/headers/Idempotency-Key")
    chat = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}]}
    assert (await http.post("/v1/chat/completions", json=chat, headers=KEY)).status_code == 400
    assert not world.generator.requests
