"""Sessions over HTTP."""

import asyncio
import json

import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.domain.errors import ProviderUnavailable
from pluggably.domain.generation import Role
from tests.integration.http.world import World, client_of

GENERATE = "/v1/generations/text"


async def opened(http, **wanted) -> str:
    return (await http.post("/v1/sessions", json=wanted)).json()["id"]


async def ask(http, session_id: str, text: str = "Hello", **wanted):
    return await http.post(GENERATE, json={"input": text, "session_id": session_id, **wanted})


async def test_a_session_is_opened(http):
    answer = await http.post(
        "/v1/sessions", json={"title": "Trip", "metadata": {"a": "b"}, "defaults": {"text": "small"}}
    )
    assert (answer.status_code, answer.headers["etag"]) == (201, '"1"')
    session = answer.json()
    assert answer.headers["location"] == f"/v1/sessions/{session['id']}"
    assert (session["title"], session["status"], session["version"], session["turns"]) == ("Trip", "open", 1, 0)
    assert session["defaults"] == {"text": "tiny"}
    assert (await http.get(answer.headers["location"])).json() == session


async def test_a_session_needs_no_body(http):
    assert (await http.post("/v1/sessions")).status_code == 201


async def test_what_is_wrong_with_a_session_is_said(http):
    refused = await http.post("/v1/sessions", json={"name": "x", "defaults": {"audio": "y"}, "context": {"last": 1}})
    assert {it["pointer"] for it in refused.json()["errors"]} == {"/name", "/defaults/audio", "/context/last"}


async def test_a_turn_is_told_of_the_turns_before_it(world, http):
    session = await opened(http, instructions="Be brief.")
    first = (await ask(http, session, "My name is Ada.", parameters={"max_tokens": 2})).json()
    second = (await ask(http, session, "What is my name?")).json()
    assert (first["session"], second["session"]["turn"]) == ({"id": session, "turn": 1, "version": 3}, 2)
    said = [(it.role, it.text) for it in world.generator.requests[1].messages]
    assert said == [
        (Role.SYSTEM, "Be brief."),
        (Role.USER, "My name is Ada."),
        (Role.ASSISTANT, "one two "),
        (Role.USER, "What is my name?"),
    ]


async def test_a_streamed_turn_is_a_turn_too(http):
    session = await opened(http)
    assert '"turn":1' in (await ask(http, session, stream=True)).text
    assert (await http.get(f"/v1/sessions/{session}")).json()["version"] == 3


@pytest.mark.parametrize("stream", [True, False])
async def test_a_failed_turn_is_in_the_history_and_not_in_the_context(stream):
    failing = ScriptedGenerator(failure=ProviderUnavailable(detail="Gone."), fails_after=2)
    async with client_of(World(failing).app()) as http:
        session = await opened(http)
        await ask(http, session, "First", stream=stream)
        failing.failure = None
        assert (await ask(http, session, "Second")).status_code == 200
        turns = (await http.get(f"/v1/sessions/{session}/turns")).json()["data"]
    assert [it["status"] for it in turns] == ["failed", "completed"]
    assert turns[0]["error"] == {"code": "provider_unavailable", "detail": "Gone."}
    assert turns[1]["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Second"}]}]
    assert [it.text for it in failing.requests[1].messages] == ["Second"]


async def test_a_reset_begins_a_new_context(world, http):
    session = await opened(http)
    await ask(http, session, "First")
    answer = await http.post(f"/v1/sessions/{session}/reset")
    assert (answer.status_code, answer.headers["etag"]) == (200, '"4"')
    await ask(http, session, "Second")
    assert [it.text for it in world.generator.requests[1].messages] == ["Second"]


async def test_a_closed_session_refuses_turns(http):
    session = await opened(http)
    closed = await http.post(f"/v1/sessions/{session}/close")
    assert (closed.json()["status"], closed.headers["etag"]) == ("closed", '"2"')
    for stream in (True, False):
        refused = await ask(http, session, stream=stream)
        assert (refused.status_code, refused.json()["code"]) == (409, "session_closed")
    assert (await http.post(f"/v1/sessions/{session}/close")).json()["version"] == 2


async def test_a_second_turn_waits_and_then_is_refused():
    gate = asyncio.Event()
    world = World(ScriptedGenerator(gate=gate), wait_s=0.01)
    async with client_of(world.app()) as http:
        session = await opened(http)
        first = asyncio.create_task(ask(http, session))
        while not world.generator.running:
            await http.get("/health/live")
        refused = await ask(http, session)
        assert (refused.status_code, refused.json()["code"]) == (409, "session_busy")
        assert refused.headers["retry-after"] == "1"
        gate.set()
        assert (await first).status_code == 200


async def test_a_version_that_is_stale_is_refused(http):
    session = await opened(http)
    body = {"input": "x", "session_id": session}
    assert (await http.post(GENERATE, json=body, headers={"If-Match": '"1"'})).status_code == 200
    for path, sent in ((GENERATE, body), (f"/v1/sessions/{session}/close", None)):
        stale = await http.post(path, json=sent, headers={"If-Match": '"1"'})
        assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    odd = await http.post(GENERATE, json=body, headers={"If-Match": "1"})
    assert odd.json()["errors"][0]["pointer"] == "/headers/If-Match"


async def test_it_can_be_seen_as_it_was(http):
    session = await opened(http)
    await ask(http, session)
    before = await http.get(f"/v1/sessions/{session}", params={"version": 1})
    assert (before.json()["turns"], before.headers["etag"]) == (0, '"1"')
    assert (await http.get(f"/v1/sessions/{session}", params={"version": 9})).status_code == 404
    assert (await http.get(f"/v1/sessions/{session}", params={"version": "x"})).status_code == 400


@pytest.mark.parametrize("path", ["", "/turns", "/events", "/verify"])
async def test_a_session_that_is_not_there_is_not_found(http, path):
    missing = await http.get(f"/v1/sessions/ses_none{path}")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_the_list_is_paged(http):
    made = [await opened(http, title=str(i)) for i in range(5)]
    seen, after = [], None
    while True:
        page = (await http.get("/v1/sessions", params={"limit": 2} | ({"after": after} if after else {}))).json()
        seen += [it["id"] for it in page["data"]]
        after = page["next_after"]
        assert page["has_more"] is (after is not None)
        if not after:
            break
    assert seen == made[::-1]


async def test_a_cursor_that_was_altered_is_refused(http):
    for _ in range(2):
        await opened(http)
    cursor = (await http.get("/v1/sessions", params={"limit": 1})).json()["next_after"]
    for bad in (cursor[:-1], cursor[1:], "x", cursor + "A"):
        refused = await http.get("/v1/sessions", params={"after": bad})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/query/after")


async def test_the_list_can_be_narrowed(http):
    used, closed = await opened(http), await opened(http)
    await ask(http, used)
    await http.post(f"/v1/sessions/{closed}/close")

    async def listed(**params):
        return [it["id"] for it in (await http.get("/v1/sessions", params=params)).json()["data"]]

    assert await listed(status="closed") == [closed]
    assert await listed(modality="text") == [used]
    assert await listed(**{"metadata.team": "red"}) == []
    labelled = await opened(http, metadata={"team": "red", "k": "v"})
    assert await listed(**{"metadata.team": "red", "metadata.k": "v"}) == [labelled]
    assert await listed(**{"metadata.team": "red", "metadata.k": "w"}) == []
    await http.delete(f"/v1/sessions/{labelled}")
    assert await listed(**{"metadata.team": "red"}) == []
    assert await listed(active_after="2999-01-01T00:00:00Z") == []
    assert len(await listed(active_after="2001-01-01T00:00:00+01:00")) == 2


async def test_everything_wrong_with_a_query_is_said_at_once(http):
    refused = await http.get("/v1/sessions?limit=0&status=lost&page=2&modality=smell")
    assert {it["pointer"] for it in refused.json()["errors"]} == {
        "/query/limit",
        "/query/status",
        "/query/page",
        "/query/modality",
    }
    for at in ("yesterday", "2026-01-01T00:00:00"):
        refused = await http.get("/v1/sessions", params={"active_after": at})
        assert refused.json()["errors"][0]["pointer"] == "/query/active_after"


async def test_the_events_are_what_happened(http):
    session = await opened(http, title="Trip")
    await ask(http, session, "Hello", parameters={"seed": 3})
    events = (await http.get(f"/v1/sessions/{session}/events")).json()["data"]
    assert [(it["version"], it["type"]) for it in events] == [
        (1, "session.opened"),
        (2, "turn.requested"),
        (3, "turn.completed"),
    ]
    assert events[0]["data"]["title"] == "Trip"
    assert events[1]["data"]["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]
    assert events[1]["data"]["parameters"] == {"seed": 3}
    assert events[2]["data"]["output"][0]["type"] == "text"
    assert events[1]["previous_hash"] == events[0]["hash"]


async def test_the_events_come_in_pages_or_as_lines(http):
    session = await opened(http)
    await ask(http, session)
    url = f"/v1/sessions/{session}/events"
    first = (await http.get(url, params={"limit": 2})).json()
    assert ([it["version"] for it in first["data"]], first["has_more"]) == ([1, 2], True)
    last = (await http.get(url, params={"limit": 2, "after": first["next_after"]})).json()
    assert ([it["version"] for it in last["data"]], last["next_after"]) == ([3], None)
    lines = await http.get(url, headers={"Accept": "application/x-ndjson"})
    assert lines.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in lines.text.splitlines()] == first["data"] + last["data"]


async def test_the_record_can_be_verified(http):
    session = await opened(http)
    found = (await http.get(f"/v1/sessions/{session}/verify")).json()
    assert (found["valid"], found["events"], found["broken_at"]) == (True, 1, None)


async def test_a_key_against_doubles_is_refused_rather_than_ignored(http):
    session = await opened(http)
    for verb in ("reset", "close", "archive", "fork"):
        refused = await http.post(f"/v1/sessions/{session}/{verb}", json={}, headers={"Idempotency-Key": "k"})
        assert refused.json()["errors"][0]["pointer"] == "/headers/Idempotency-Key"
