"""What an auditor fetches over HTTP."""

import json
from base64 import b64decode

import pytest

from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.domain.session import Session
from pluggably.entrypoints.container import open_export_reader

from ...contracts.session_store import a_stored_session
from ...session_builders import ALICE, opened
from .world import World, client_of


@pytest.fixture
async def http(tmp_path):
    """`ses_a` is the caller's, `ses_b` somebody else's."""
    store = sqlite_sessions(tmp_path)
    await a_stored_session(store, "ses_a", turns=2, owner="local", title="Grüße")
    await store.append(Session(id="ses_b"), (opened(owner="bob"),), ALICE)
    async with client_of(World(store=store, keys=tmp_path).app()) as client:
        yield client
    await store.close()


async def test_an_export_is_whole_and_signed_by_the_key_that_the_service_shows(http):
    exported = await http.get("/v1/sessions/ses_a/export")
    assert exported.headers["Content-Type"] == "application/x-ndjson"
    key = (await http.get("/v1/audit/key")).json()
    assert (key["object"], key["algorithm"]) == ("audit.key", "Ed25519")
    lines = exported.content.splitlines(keepends=True)
    found = open_export_reader().examine(lines, b64decode(key["public_key"]))
    assert (found.fault, found.events, found.key_id) == (None, 5, key["id"])


async def test_cloudevents_have_their_attributes(http):
    lines = (await http.get("/v1/sessions/ses_a/export?format=cloudevents")).text.splitlines()
    first, second = [json.loads(line) for line in lines][:2]
    assert {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "hash"} <= set(first)
    assert (first["specversion"], first["type"], first["subject"]) == ("1.0", "pluggably.session.opened.v3", "ses_a")
    assert (first["data"]["title"], second["sessionversion"], second["prevhash"]) == ("Grüße", 2, first["hash"])
    assert "prevhash" not in first  # an attribute without a value is left out
    assert all(name.isalnum() and name.islower() for name in second)


async def test_a_format_that_does_not_exist_is_refused(http):
    refused = await http.get("/v1/sessions/ses_a/export?format=xml")
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("path", ["ses_b/export", "ses_x/export", "ses_b/replay"])
async def test_the_sessions_of_others_are_not_there(http, path):
    assert (await http.get(f"/v1/sessions/{path}")).status_code == 404


async def test_sessions_in_memory_cannot_be_exported():
    async with client_of(World().app()) as http:
        session_id = (await http.post("/v1/sessions", json={})).json()["id"]
        refused = await http.get(f"/v1/sessions/{session_id}/export")
        assert refused.status_code == 404
        assert "in memory" in refused.json()["detail"]


async def test_a_session_is_shown_as_it_was(http):
    was = (await http.get("/v1/sessions/ses_a/replay?to=3")).json()
    assert (was["version"], [turn["status"] for turn in was["turns"]]) == (3, ["completed"])
    assert len((await http.get("/v1/sessions/ses_a/replay")).json()["turns"]) == 2
