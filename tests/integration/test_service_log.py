"""The log of the running service: its checkpoints outlive it, and what is done to its file is found by the next one."""

import sqlite3
import time
from contextlib import closing

import httpx
import pytest

from tests.integration.cli.pluggably import pluggably
from tests.integration.service import Service

MODEL = "smollm2-135m-instruct"


@pytest.fixture
def service(tmp_path, demo_gguf):
    with Service(tmp_path, demo_gguf.parent, "[audit]\ncheckpoint_every_s = 1") as running:
        yield running


def get(service, path: str) -> dict:
    return httpx.get(f"{service.url}/v1{path}", timeout=60, trust_env=False).json()


def converse(service, turns: int) -> str:
    with httpx.Client(base_url=f"{service.url}/v1", timeout=60, trust_env=False) as http:
        session = http.post("/sessions", json={"title": "Trip"}).json()["id"]
        for number in range(turns):
            body = {"model": MODEL, "input": f"Hello {number}", "session_id": session, "parameters": {"max_tokens": 2}}
            assert http.post("/generations/text", json=body).status_code == 200
        return session


def run(service, statement: str, *values) -> list[tuple]:
    with closing(sqlite3.connect(service.folder / "sessions" / "sessions.sqlite")) as connection, connection:
        return connection.execute(statement, values).fetchall()


def checkpoints(service) -> str:
    return (service.folder / "audit" / "checkpoints.txt").read_text()


def test_what_was_said_last_is_signed_at_the_end_and_checked_at_the_next_start(service):
    session = converse(service, turns=2)
    assert service.stop() == 0
    assert checkpoints(service).split("\n\n")[-3].splitlines()[1] == "5"  # the note before the last line feed
    service.start()
    found = get(service, "/audit/verify")
    assert (found["valid"], found["events"], found["sessions"]) == (True, 6, 1)  # this read is in the log too
    assert found["uncovered"] <= 1
    assert found["uncopied"] == 0
    service.stop()

    ((state,),) = run(service, "SELECT state FROM stored_events WHERE originator_version = 3")
    spoilt = state[:-1] + bytes([state[-1] ^ 1])
    run(service, "UPDATE stored_events SET state = ? WHERE originator_version = 3", spoilt)
    service.start()
    fault = get(service, "/audit/verify")["fault"]
    assert (fault["session_id"], fault["version"], fault["position"]) == (session, 3, 3)
    refused = pluggably("audit", "verify", "--url", service.url)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"INVALID: session {session}, version 3 (event 3 of the log) has bytes that do not give its hash.\n"
    )


def test_a_tail_that_was_cut_off_with_its_place_in_the_list_is_found_by_the_checkpoints(service):
    session = converse(service, turns=2)
    service.stop()
    ((tip,),) = run(service, "SELECT substr(state, 1, 32) FROM stored_events WHERE originator_version = 3")
    run(service, "DELETE FROM stored_events WHERE originator_version > 3")
    run(service, "UPDATE session_list SET version = 3, tip = ?", tip.hex())
    service.start()
    assert get(service, f"/sessions/{session}/verify")["valid"]
    fault = get(service, "/audit/verify")["fault"]
    assert (fault["session_id"], fault["kept_in"]) == (None, "database")
    assert fault["checkpoint"] in (4, 5)


def test_an_auditor_compares_the_log_with_a_copy_of_the_checkpoints(service, tmp_path):
    converse(service, turns=1)
    service.stop()
    service.start()
    here = ("--url", service.url)
    copy = tmp_path / "copy.txt"
    copy.write_text(pluggably("audit", "checkpoints", *here).stdout)
    assert copy.read_text() == checkpoints(service)
    key = pluggably("audit", "key", *here).stdout.split()[0]

    told = pluggably("audit", "verify", "--key", key, "--checkpoints", str(copy), *here)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("VALID: 5 events of 1 sessions are whole, and as ")  # 3, and two reads
    assert f"The checkpoints in {copy} are among them." in told.stdout

    service.stop()
    for kept in ("sessions/sessions.sqlite", "audit/checkpoints.txt"):  # somebody begins anew, with the same key
        (service.folder / kept).unlink()
    service.start()
    converse(service, turns=1)
    service.stop()
    service.start()
    assert get(service, "/audit/verify")["valid"]
    refused = pluggably("audit", "verify", "--checkpoints", str(copy), *here)
    assert refused.returncode == 1
    assert refused.stderr.startswith("INVALID: the checkpoint of ")
    assert f"events in {copy}" in refused.stderr


def test_checkpoints_are_made_while_the_service_runs(service):
    converse(service, turns=1)
    made: list[dict] = []
    deadline = time.monotonic() + 30
    while not made or made[0]["events"] < 3:
        assert time.monotonic() < deadline
        made = get(service, "/audit/checkpoints")["data"]
    service.kill()
    assert made[0]["note"] in checkpoints(service)
    service.start()
    assert get(service, "/audit/verify")["valid"]
