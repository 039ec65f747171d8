"""`pluggably audit` as auditors use it: exports from the real service, checks without it."""

import json
import os
import sqlite3
from base64 import b64encode
from contextlib import closing

import httpx
import psycopg
import pytest

from tests.integration.audit.exports import an_export
from tests.integration.cli.scripted import scripted
from tests.integration.cli.test_commands import pluggably
from tests.integration.service import Service


@pytest.fixture(scope="module")
def service(tmp_path_factory, demo_gguf):
    with Service(tmp_path_factory.mktemp("audit"), demo_gguf.parent) as running:
        yield running


@pytest.fixture
def export_file(tmp_path):
    file = tmp_path / "export.jsonl"
    file.write_bytes(b"".join(an_export()))
    return file


def test_what_the_service_exports_is_verified_and_replayed_without_it(service, tmp_path):
    opened = httpx.post(f"{service.url}/v1/sessions", json={"title": "Grüße"}, trust_env=False).json()
    here, file = ("--url", service.url), str(tmp_path / "export.jsonl")
    assert pluggably("audit", "export", opened["id"], "--out", file, *here).returncode == 0
    key, key_id = pluggably("audit", "key", *here).stdout.split()

    verified = pluggably("audit", "verify", file, "--key", key)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert verified.stdout == f"VALID: 1 events of 1 sessions are whole, signed by key {key_id}.\n"

    was = json.loads(pluggably("audit", "replay", "--json", opened["id"], "--from", file).stdout)
    assert was == json.loads(pluggably("audit", "replay", "--json", opened["id"], "--to", "1", *here).stdout)
    assert (was["title"], was["turns"]) == ("Grüße", [])
    events = pluggably("audit", "export", opened["id"], "--format", "cloudevents", *here).stdout
    assert json.loads(events)["specversion"] == "1.0"


def test_all_sessions_are_exported_into_one_file(tmp_path, service):
    ids = [httpx.post(f"{service.url}/v1/sessions", json={}, trust_env=False).json()["id"] for _ in range(3)]
    httpx.delete(f"{service.url}/v1/sessions/{ids[1]}", trust_env=False).raise_for_status()
    here, file = ("--url", service.url), tmp_path / "all.jsonl"
    assert pluggably("audit", "export", "--all", "--out", str(file), *here).returncode == 0
    assert set(ids) <= {it["id"] for it in json.loads(file.read_bytes().partition(b"\n")[0])["sessions"]}
    assert pluggably("audit", "verify", str(file)).stdout.startswith("VALID: ")
    some = pluggably("audit", "export", ids[2], ids[0], *here).stdout.splitlines()
    assert [it["id"] for it in json.loads(some[0])["sessions"]] == [ids[2], ids[0]]
    gone = json.loads(pluggably("audit", "export", "--all", "--status", "erased", *here).stdout.splitlines()[0])
    assert [(it["id"], it["events"], it["erased"]) for it in gone["sessions"]] == [(ids[1], 2, True)]


def test_an_export_is_imported_into_the_store_of_another_gateway(service, tmp_path, demo_gguf):
    opened = httpx.post(f"{service.url}/v1/sessions", json={"title": "Grüße"}, trust_env=False).json()["id"]
    here, file = ("--url", service.url), str(tmp_path / "export.jsonl")
    pluggably("audit", "export", opened, "--out", file, *here)
    key, _ = pluggably("audit", "key", *here).stdout.split()
    with Service(tmp_path, demo_gguf.parent) as other:
        refused = pluggably("audit", "import", file, "--key", key, cwd=tmp_path)
        assert refused.returncode == 1
        assert "Another process uses these sessions" in refused.stderr
        assert other.stop() == 0
    done = pluggably("audit", "import", file, "--key", key, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{opened} imported\n1 imported, 0 skipped, 0 refused.\n"
    again = pluggably("audit", "import", file, "--key", key, cwd=tmp_path)
    assert again.stdout == f"{opened} skipped: it is here already\n0 imported, 1 skipped, 0 refused.\n"
    with other:
        was = pluggably("audit", "replay", "--json", opened, "--url", other.url).stdout
    assert was == pluggably("audit", "replay", "--json", opened, *here).stdout


def test_what_is_not_imported_is_said(export_file, database, tmp_path):
    (tmp_path / "pluggably.toml").write_text('[sessions]\nstore = "postgres"\nurl_env = "DATABASE_URL"\n')
    key = json.loads(an_export()[0])["key"]["public"]
    words = ("audit", "import", str(export_file), "--key", key)
    done = pluggably(*words, cwd=tmp_path, DATABASE_URL=database)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "ses_a imported",
        "ses_b imported",
        "ses_c skipped: it was erased, so that there is nothing to import",
        "2 imported, 1 skipped, 0 refused.",
    ]
    with closing(psycopg.connect(database, autocommit=True)) as connection:
        connection.execute("DELETE FROM stored_events WHERE originator_id = 'ses_a' AND originator_version = 7")
    again = pluggably(*words, cwd=tmp_path, DATABASE_URL=database)
    assert again.returncode == 1
    assert again.stdout.splitlines()[0].startswith("ses_a REFUSED: Event 7 of session ses_a is missing")
    assert again.stdout.splitlines()[-1] == "0 imported, 2 skipped, 1 refused."


def test_nothing_is_imported_from_a_spoilt_export_or_under_another_key(export_file, tmp_path):
    key = json.loads(an_export()[0])["key"]["public"]
    other = pluggably("audit", "import", str(export_file), "--key", b64encode(bytes(32)).decode(), cwd=tmp_path)
    export_file.write_bytes(export_file.read_bytes()[:-10])
    cut = pluggably("audit", "import", str(export_file), "--key", key, cwd=tmp_path)
    for refused, why in ((other, "line 1 names another key"), (cut, "line 17 is cut off")):
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith(f"pluggably: Nothing is imported, as the export is not whole: {why}")


def test_who_read_what_is_shown(service):
    opened = httpx.post(f"{service.url}/v1/sessions", json={}, trust_env=False).json()["id"]
    here = ("--url", service.url)
    pluggably("audit", "export", opened, *here)
    reads = json.loads(pluggably("audit", "reads", "--json", *here).stdout)
    assert [(it["what"], it["session_id"], it["actor"]) for it in reads[-2:]] == [
        ("export", opened, "local"),
        ("reads", None, "local"),
    ]
    shown = pluggably("audit", "reads", "--after", str(reads[-2]["number"] - 1), *here, COLUMNS="160").stdout
    header, export, *_ = shown.splitlines()
    assert header.split() == ["number", "at", "by", "what", "session", "asked"]
    assert export.split()[-4:] == ["local", "export", opened, "format=jsonl"]


def test_an_export_that_breaks_off_is_no_file(tmp_path, demo_gguf):
    with Service(tmp_path, demo_gguf.parent) as service:
        opened = httpx.post(f"{service.url}/v1/sessions", json={}, trust_env=False).json()["id"]
        with closing(sqlite3.connect(tmp_path / "sessions" / "sessions.sqlite")) as database, database:
            database.execute("UPDATE stored_events SET state = zeroblob(200) WHERE originator_id = ?", (opened,))
        file = tmp_path / "out" / "export.jsonl"
        file.parent.mkdir()
        file.write_bytes(b"the one before")
        for what in (opened, "--all"):
            refused = pluggably("audit", "export", what, "--out", str(file), "--url", service.url)
            assert refused.returncode == 1
            assert "broke off" in refused.stderr
        assert [(it.name, it.read_bytes()) for it in file.parent.iterdir()] == [("export.jsonl", b"the one before")]


@pytest.mark.parametrize("words", [(), ("ses_a", "--all"), ("ses_a", "--status", "closed")])
def test_what_to_export_has_to_be_said_once(words):
    refused = pluggably("audit", "export", *words)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "--all" in refused.stderr


def test_what_is_no_file_is_not_replaced_by_one(service, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    refused = pluggably("audit", "export", "--all", "--out", str(tmp_path / "pipe"), "--url", service.url)
    assert refused.returncode == 1
    assert "no ordinary file" in refused.stderr
    assert (tmp_path / "pipe").is_fifo()


def test_a_spoilt_export_is_refused_with_the_place(export_file):
    export_file.write_bytes(export_file.read_bytes().replace(b"Be brief.", b"Be cruel."))
    refused = pluggably("audit", "verify", str(export_file))
    place = "line 2 (session ses_a, version 1)"
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == f"INVALID: {place} has content that is not what was recorded.\n"


def test_verify_says_what_it_cannot_vouch_for(export_file):
    told = pluggably("audit", "verify", str(export_file)).stdout
    assert "15 events of 3 sessions are whole" in told
    assert "give --key" in told
    assert "3 events are of erased sessions" in told


def test_replay_prints_what_was_said(export_file):
    printed = pluggably("audit", "replay", "ses_b", "--to", "3", "--from", str(export_file)).stdout
    assert "user › Question 1" in printed
    assert "tiny › Answer 1" in printed
    assert "Question 2" not in printed


@pytest.mark.parametrize("words", [("verify", "nowhere.jsonl"), ("replay", "ses_a", "--from", "nowhere.jsonl")])
def test_a_file_that_is_not_there_is_said_in_a_sentence(words, tmp_path):
    refused = pluggably("audit", *words, cwd=tmp_path)
    assert refused.returncode == 1
    assert refused.stderr.startswith("pluggably: nowhere.jsonl cannot be read")


def test_replay_asks_for_what_was_named_and_nothing_else():
    with scripted(list) as (service, url):
        pluggably("audit", "replay", "--json", "ses_1/../../keys?x", "--url", url)
    assert [path for _, path, _ in service.asked] == ["/v1/sessions/ses_1%2F..%2F..%2Fkeys%3Fx/replay"]


def test_replay_as_json_steers_no_terminal():
    with scripted(list) as (service, url):
        service.shown = {"title": "\x9b2J Grüße"}
        printed = pluggably("audit", "replay", "--json", "ses_1", "--url", url).stdout
    assert printed.isascii()
    assert json.loads(printed) == service.shown
