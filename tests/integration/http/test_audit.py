"""What an auditor fetches over HTTP."""

import json
import sqlite3
from base64 import b64decode
from contextlib import closing

import pytest

from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.domain.session import Session
from pluggably.entrypoints.composition.audit import open_export_reader

from ...contracts.session_store import a_stored_session
from ...session_builders import ALICE, opened
from .world import World, client_of


@pytest.fixture
async def http(tmp_path):
    """`ses_a` is the caller's, `ses_b` somebody else's; the caller has every scope."""
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


def sessions_in(export: bytes) -> list[str]:
    """The ids in a whole export."""
    lines = export.splitlines(keepends=True)
    assert open_export_reader().examine(lines).fault is None
    return [it["id"] for it in json.loads(lines[0])["sessions"]]


async def test_all_sessions_are_one_export(http):
    exported = await http.get("/v1/audit/export")
    assert exported.headers["Content-Type"] == "application/x-ndjson"
    assert sessions_in(exported.content) == ["ses_a", "ses_b", "audit"]
    assert sessions_in((await http.get("/v1/audit/export?session=ses_b")).content) == ["ses_b"]
    assert sessions_in((await http.get("/v1/audit/export?session=ses_b&session=ses_a")).content) == ["ses_b", "ses_a"]
    assert sessions_in((await http.get("/v1/audit/export?status=closed")).content) == []
    assert sessions_in((await http.get("/v1/audit/export?active_after=2030-01-02T12:00:01Z")).content) == ["ses_a"]
    assert len((await http.get("/v1/audit/export?status=open&format=cloudevents")).text.splitlines()) == 6


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("closed_before=yesterday", "/query/closed_before"),
        ("active_after=2030-01-02T12:00:00", "/query/active_after"),
        ("session=ses_a&status=closed", "/query/session"),
        ("format=xml", "/query/format"),
        ("owner=bob", "/query/owner"),
    ],
)
async def test_what_cannot_be_exported_is_refused_by_its_name(http, query, pointer):
    refused = await http.get(f"/v1/audit/export?{query}")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, pointer)


async def test_the_head_of_an_export_has_no_body(http):
    head = await http.head("/v1/audit/export")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.parametrize("path", ["sessions/ses_x/export", "sessions/ses_x/replay", "audit/export?session=ses_x"])
async def test_a_session_that_is_not_there_is_not_found(http, path):
    assert (await http.get(f"/v1/{path}")).status_code == 404


async def test_reads_of_others_and_audits_are_shown_and_change_nothing_that_is_read(http):
    before = (await http.get("/v1/sessions/ses_b")).headers["ETag"]
    await http.get("/v1/sessions/ses_a")  # the caller's own
    await http.get("/v1/sessions/ses_b/turns?version=1")
    await http.get("/v1/sessions/ses_b/events", headers={"Accept": "application/x-ndjson"})
    await http.get("/v1/sessions/ses_a/replay?to=3", headers={"X-Request-Id": "req_mine"})
    assert (await http.get("/v1/sessions/ses_b/verify")).json()["events"] == 1
    page = (await http.get("/v1/audit/reads?limit=5")).json()
    assert [(it["what"], it["session_id"], it["asked"]) for it in page["data"]] == [
        ("session", "ses_b", {}),
        ("turns", "ses_b", {"version": "1"}),
        ("events", "ses_b", {"after": "0"}),
        ("replay", "ses_a", {"version": "3"}),
        ("verify", "ses_b", {}),
    ]
    replay = page["data"][3]
    by = replay["actor"], replay["method"], replay["request_id"]
    assert (replay["object"], replay["number"], by) == ("audit.read", 4, ("local", "loopback", "req_mine"))
    assert replay["previous_hash"] == page["data"][2]["hash"]
    rest = (await http.get(f"/v1/audit/reads?after={page['next_after']}")).json()
    assert [(it["number"], it["what"]) for it in rest["data"]] == [(6, "reads"), (7, "reads")]
    assert (await http.get("/v1/sessions/ses_b")).headers["ETag"] == before


async def test_the_sessions_of_others_cannot_be_changed_by_whoever_may_read_them(http):
    assert (await http.post("/v1/sessions/ses_b/close", json={})).status_code == 404
    assert (await http.patch("/v1/sessions/ses_b", json={"title": "Mine"})).status_code == 404
    assert (await http.delete("/v1/sessions/ses_b")).status_code == 404
    assert (await http.post("/v1/generations/text", json={"session_id": "ses_b", "input": "?"})).status_code == 404


async def test_what_cannot_be_recorded_is_not_answered(http, tmp_path):
    assert (await http.get("/v1/sessions/ses_a/verify")).status_code == 200
    with closing(sqlite3.connect(tmp_path / "keys.sqlite")) as database, database:
        database.execute("UPDATE keys SET wrapped = NULL WHERE session_id = 'audit'")
    audits = ("sessions/ses_a/verify", "sessions/ses_a/export", "sessions/ses_b/events", "audit/export", "audit/reads")
    for path in audits:
        refused = await http.get(f"/v1/{path}")
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        assert "cannot be recorded" in refused.json()["detail"]
    live = await http.get("/v1/sessions/ses_b/events", headers={"Accept": "text/event-stream"})
    assert live.status_code == 503
    assert (await http.get("/v1/sessions/ses_a/events")).status_code == 200  # the caller's own


async def test_a_session_that_was_altered_is_found_by_its_check(http, tmp_path):
    spoil = "UPDATE stored_events SET state = zeroblob(99) WHERE originator_id = 'ses_a' AND originator_version = 4"
    with closing(sqlite3.connect(tmp_path / "sessions.sqlite")) as database, database:
        database.execute(spoil)
    assert (await http.get("/v1/sessions/ses_a/verify")).json()["broken_at"] == 4


async def test_sessions_in_memory_cannot_be_exported():
    async with client_of(World().app()) as http:
        session_id = (await http.post("/v1/sessions", json={})).json()["id"]
        for path in (f"sessions/{session_id}/export", "audit/export"):
            refused = await http.get(f"/v1/{path}")
            assert refused.status_code == 404
            assert "in memory" in refused.json()["detail"]


async def test_a_session_is_shown_as_it_was(http):
    was = (await http.get("/v1/sessions/ses_a/replay?to=3")).json()
    assert (was["version"], [turn["status"] for turn in was["turns"]]) == (3, ["completed"])
    assert len((await http.get("/v1/sessions/ses_a/replay")).json()["turns"]) == 2
