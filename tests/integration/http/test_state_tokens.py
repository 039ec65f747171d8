"""State tokens over HTTP, by the native routes and by OpenAI's."""

import json

import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator

from .world import World, client_of, events_of

NATIVE, CHAT = "/v1/generations/text", "/v1/chat/completions"


@pytest.fixture
def world():
    return World(ScriptedGenerator(answer="Yes."))


@pytest.fixture
async def http(world):
    async with client_of(world.app()) as client:
        yield client


async def a_turn(http, **fields) -> dict:
    answer = await http.post(NATIVE, json={"input": "Hello", **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def opened(http) -> str:
    return (await http.post("/v1/sessions", json={})).json()["id"]


async def test_a_turn_goes_on_from_the_token_of_an_earlier_one(http):
    session_id = await opened(http)
    first = await a_turn(http, session_id=session_id)
    await a_turn(http, session_id=session_id)
    await a_turn(http, state_token=first["state_token"])
    turns = (await http.get(f"/v1/sessions/{session_id}/turns")).json()["data"]
    assert [(turn["number"], turn["follows"], turn["in_context"]) for turn in turns] == [
        (1, None, True),
        (2, 1, False),
        (3, 1, True),
    ]


async def test_a_stream_ends_with_the_token(http):
    session_id = await opened(http)
    stream = await http.post(NATIVE, json={"input": "Hello", "session_id": session_id, "stream": True})
    name, completed = events_of(stream.text)[-1]
    assert name == "completed"
    assert (await a_turn(http, state_token=completed["state_token"]))["session"]["turn"] == 2


async def test_a_token_is_not_in_events_or_lists(http):
    session_id = await opened(http)
    token = (await a_turn(http, session_id=session_id))["state_token"]
    for path in ("events", "turns", "state-tokens", "replay"):
        shown = await http.get(f"/v1/sessions/{session_id}/{path}")
        assert token not in shown.text
        assert '"kind":"history"' in shown.text.replace(" ", "")
    (listed,) = (await http.get(f"/v1/sessions/{session_id}/state-tokens")).json()["data"]
    assert listed.keys() == {"object", "turn", "kind", "provider", "model", "digest", "expires_at"}


async def test_a_token_that_is_none_is_a_problem_with_a_remedy(http):
    answer = await http.post(NATIVE, json={"input": "Hello", "state_token": "st_x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "state_token_invalid")
    assert answer.headers["x-should-retry"] == "false"
    assert "auto" in answer.json()["detail"]


async def test_openais_route_takes_and_gives_tokens_too(http):
    session_id = await opened(http)
    said = {"model": "tiny", "messages": [{"role": "user", "content": "Hello"}]}
    first = (await http.post(CHAT, json={**said, "session_id": session_id})).json()
    stream = await http.post(CHAT, json={**said, "state_token": first["state_token"], "stream": True})
    *_, last, done = [it.removeprefix("data: ") for it in stream.text.split("\n\n") if it]
    assert done == "[DONE]"
    assert json.loads(last)["choices"][0]["finish_reason"] == "stop"
    third = await http.post(CHAT, json={**said, "state_token": json.loads(last)["state_token"]})
    assert third.status_code == 200
    turns = (await http.get(f"/v1/sessions/{session_id}/turns")).json()["data"]
    assert [turn["follows"] for turn in turns] == [None, 1, 2]
    assert "state_token" not in (await http.post(CHAT, json=said)).json()


async def test_each_event_names_itself_and_its_cause(http):
    session_id = await opened(http)
    await a_turn(http, session_id=session_id)
    opening, asked, answered = (await http.get(f"/v1/sessions/{session_id}/events")).json()["data"]
    assert len({opening["id"], asked["id"], answered["id"]}) == 3
    assert [opening["causation_id"], asked["causation_id"], answered["causation_id"]] == [None, None, asked["id"]]


async def test_tokens_are_shown_to_who_may_see_them_and_that_is_recorded(http):
    session_id = await opened(http)
    token = (await a_turn(http, session_id=session_id))["state_token"]
    (listed,) = (await http.get(f"/v1/sessions/{session_id}/state-tokens?reveal=true")).json()["data"]
    assert listed["state_token"] == token
    *_, read = (await http.get("/v1/audit/reads")).json()["data"][:-1]
    assert (read["what"], read["session_id"]) == ("state_tokens", session_id)
