"""What an auditor learns over HTTP of the log of all events."""

import asyncio
from base64 import b64decode

import pytest

from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.entrypoints.composition.audit import read_checkpoints

from ...contracts.session_store import a_stored_session
from .world import World, client_of


@pytest.fixture
async def world(tmp_path):
    store = sqlite_sessions(tmp_path)
    world = World(store=store, keys=tmp_path)
    for number in range(3):
        await a_stored_session(store, f"ses_{number}", turns=1, owner=f"owner {number}")
        await world.checkpoints.make()
    yield world
    await store.close()


async def test_a_whole_log_is_said_to_be_valid(world, http):
    assert (await http.get("/v1/audit/verify")).json() == {
        "object": "audit.verification",
        "valid": True,
        "events": 10,  # those of the sessions, and this very read
        "sessions": 3,
        "checkpoints": 3,
        "uncovered": 1,
        "uncopied": 0,
        "fault": None,
    }


async def test_a_fault_is_named(world, http, tmp_path):
    (tmp_path / "audit" / "checkpoints.txt").write_text("nothing of the kind\n" * 100)
    found = (await http.get("/v1/audit/verify")).json()
    assert (found["valid"], found["fault"]["kept_in"], found["fault"]["checkpoint"]) == (False, "second_place", None)
    assert "is not signed by this gateway's key" in found["fault"]["what"]


async def test_many_may_ask_at_once(world, http):
    answers = await asyncio.gather(*(http.get("/v1/audit/verify") for _ in range(5)))
    assert all(it.json()["valid"] for it in answers)


async def test_checkpoints_are_listed_in_pages_the_latest_first(world, http):
    first = (await http.get("/v1/audit/checkpoints?limit=2")).json()
    assert [it["events"] for it in first["data"]] == [9, 6]
    assert (first["has_more"], first["next_after"]) == (True, "6")
    rest = (await http.get(f"/v1/audit/checkpoints?limit=2&after={first['next_after']}")).json()
    assert ([it["events"] for it in rest["data"]], rest["has_more"]) == ([3], False)
    assert set(rest["data"][0]) == {"object", "events", "note", "made_at"}


async def test_their_notes_are_signed_by_the_key_that_the_service_shows(world, http):
    public = b64decode((await http.get("/v1/audit/key")).json()["public_key"])
    notes = [it["note"] for it in (await http.get("/v1/audit/checkpoints")).json()["data"]]
    heads = [head for note in notes for head in read_checkpoints(note.encode().splitlines(keepends=True), public)]
    assert [head.size for head in heads] == [9, 6, 3]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "after=-1", "after=x", "before=3"])
async def test_a_query_that_is_none_is_refused(world, http, query):
    refused = await http.get(f"/v1/audit/checkpoints?{query}")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


async def test_sessions_in_memory_have_no_log():
    async with client_of(World().app()) as http:
        refused = await http.get("/v1/audit/verify")
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        assert (await http.get("/v1/audit/checkpoints")).json()["data"] == []
