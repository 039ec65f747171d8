"""Changing, forking, continuing and archiving sessions over HTTP."""

import asyncio

import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from tests.integration.http.test_sessions import ask, opened
from tests.integration.http.world import World, client_of


async def get(http, session_id: str, **query) -> dict:
    return (await http.get(f"/v1/sessions/{session_id}", params=query)).json()


async def events(http, session_id: str) -> list[dict]:
    return (await http.get(f"/v1/sessions/{session_id}/events")).json()["data"]


async def numbers(http, session_id: str, **query) -> list[int]:
    return [it["number"] for it in (await http.get(f"/v1/sessions/{session_id}/turns", params=query)).json()["data"]]


async def test_what_is_named_is_changed_and_nothing_else(http):
    session = await opened(http, title="Trip", metadata={"a": "b"})
    changed = await http.patch(f"/v1/sessions/{session}", json={"metadata": {"c": "d"}, "defaults": {"text": "small"}})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
    it = changed.json()
    assert (it["title"], it["metadata"], it["defaults"]) == ("Trip", {"c": "d"}, {"text": "tiny"})
    assert await get(http, session) == it
    assert (await get(http, session, version=1))["metadata"] == {"a": "b"}
    listed = (await http.get("/v1/sessions")).json()["data"][0]
    assert (listed["title"], listed["metadata"]) == ("Trip", {"c": "d"})


async def test_null_takes_the_title_away(http):
    session = await opened(http, title="Trip")
    assert (await http.patch(f"/v1/sessions/{session}", json={"title": None})).json()["title"] is None
    assert (await http.patch(f"/v1/sessions/{session}", json={})).json()["version"] == 2


async def test_what_is_wrong_with_a_change_is_said(http):
    session = await opened(http)
    wrong = await http.patch(f"/v1/sessions/{session}", json={"instructions": "x", "context": {"strategy": "some"}})
    assert {it["pointer"] for it in wrong.json()["errors"]} == {"/instructions", "/context/strategy"}
    unknown = await http.patch(f"/v1/sessions/{session}", json={"defaults": {"text": "tinny"}})
    assert unknown.json()["code"] == "model_not_found"
    stale = await http.patch(f"/v1/sessions/{session}", json={"title": "x"}, headers={"If-Match": '"9"'})
    assert stale.json()["code"] == "version_conflict"


@pytest.mark.parametrize("context", [{"strategy": "last_turns"}, {"strategy": "full", "limit": 3}, {"limit": 3}])
async def test_a_limit_belongs_to_a_strategy_that_has_one(http, context):
    refused = await http.post("/v1/sessions", json={"context": context})
    assert refused.json()["errors"][0]["pointer"] == "/context/limit"


async def test_a_cut_of_the_context_is_an_event_that_names_its_range(world, http):
    session = await opened(http, context={"strategy": "last_turns", "limit": 1})
    for text in ("First", "Second", "Third"):
        await ask(http, session, text)
    assert [it.text for it in world.generator.requests[2].messages if it.role == "user"] == ["Second", "Third"]
    (cut,) = [it for it in await events(http, session) if it["type"] == "context.cut"]
    assert {name: cut["data"][name] for name in ("turn", "first", "last")} == {"turn": 3, "first": 1, "last": 1}
    assert await numbers(http, session) == [1, 2, 3]


async def test_a_fork_goes_on_from_any_version(world, http):
    session = await opened(http, title="Trip", instructions="Be brief.")
    await ask(http, session, "First")
    await ask(http, session, "Second")
    forked = await http.post(f"/v1/sessions/{session}/fork", json={"at_version": 3})
    assert (forked.status_code, forked.headers["etag"]) == (201, '"1"')
    fork = forked.json()
    assert forked.headers["location"] == f"/v1/sessions/{fork['id']}"
    assert (fork["title"], fork["turns"]) == ("Trip", 1)
    assert fork["forked_from"] == {"session_id": session, "version": 3}
    await ask(http, fork["id"], "Another")
    said = [it.text for it in world.generator.requests[2].messages if it.role in ("system", "user")]
    assert said == ["Be brief.", "First", "Another"]
    origin = await get(http, session)
    assert (origin["turns"], origin["forks"], origin["version"]) == (2, [fork["id"]], 6)
    assert [it["type"] for it in await events(http, session)][-1] == "session.forked"
    assert (await http.get(f"/v1/sessions/{fork['id']}/verify")).json()["valid"]
    opened_by = (await events(http, fork["id"]))[0]["data"]
    assert opened_by["turns"][0]["messages"][0]["content"] == [{"type": "text", "text": "First"}]


async def test_a_fork_of_a_version_that_never_was_is_not_found(http):
    session = await opened(http)
    assert (await http.post(f"/v1/sessions/{session}/fork", json={"at_version": 2})).status_code == 404
    assert (await http.post(f"/v1/sessions/{session}/fork", json={"at_version": 0})).status_code == 400
    assert (await get(http, session))["version"] == 1


async def test_a_session_with_a_running_turn_is_not_forked_and_leaves_no_half_fork():
    gate = asyncio.Event()
    world = World(ScriptedGenerator(gate=gate), wait_s=0.01)
    async with client_of(world.app()) as http:
        session = await opened(http)
        turn = asyncio.create_task(ask(http, session))
        while not world.generator.running:
            await http.get("/health/live")
        busy = await http.post(f"/v1/sessions/{session}/fork")
        assert (busy.status_code, busy.json()["code"]) == (409, "session_busy")
        assert len((await http.get("/v1/sessions")).json()["data"]) == 1
        gate.set()
        assert (await turn).status_code == 200


async def test_the_turns_are_shown_as_they_were(http):
    session = await opened(http)
    await ask(http, session)
    await ask(http, session)
    assert (await numbers(http, session, version=3), await numbers(http, session)) == ([1], [1, 2])


async def test_an_archived_session_refuses_turns_and_can_be_forked(http):
    session = await opened(http)
    archived = (await http.post(f"/v1/sessions/{session}/archive")).json()
    assert (archived["status"], archived["version"]) == ("archived", 2)
    assert archived["archived_at"] == archived["closed_at"]
    assert (await ask(http, session)).json()["code"] == "session_closed"
    assert (await http.post(f"/v1/sessions/{session}/archive")).json()["version"] == 2
    assert [it["id"] for it in (await http.get("/v1/sessions?status=archived")).json()["data"]] == [session]
    assert (await http.post(f"/v1/sessions/{session}/fork")).json()["status"] == "open"


async def test_a_session_that_goes_on_from_another_takes_its_settings_and_not_its_turns(world, http):
    context = {"strategy": "token_budget", "limit": 500}
    first = await opened(http, instructions="Be brief.", defaults={"text": "tiny"}, context=context)
    await ask(http, first, "Hello")
    await http.post(f"/v1/sessions/{first}/close")
    second = (await http.post("/v1/sessions", json={"title": "Part 2", "continued_from": first})).json()
    assert (second["instructions"], second["defaults"], second["context"]) == ("Be brief.", {"text": "tiny"}, context)
    assert (second["title"], second["turns"], second["continued_from"]) == ("Part 2", 0, first)
    assert (await get(http, first))["continued_by"] == [second["id"]]
    assert (await http.post("/v1/sessions", json={"continued_from": "ses_none"})).status_code == 404


async def test_a_session_that_will_soon_be_full_says_so_before_it_is():
    world = World(max_events=10)
    async with client_of(world.app()) as http:
        session = await opened(http)
        answers = [await ask(http, session) for _ in range(5)]
        assert ["warning" in it.json()["session"] for it in answers[:4]] == [False, False, False, True]
        assert (answers[4].status_code, answers[4].json()["code"]) == (409, "session_full")
        assert (await get(http, session))["version"] == 9
