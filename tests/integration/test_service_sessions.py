"""Sessions through the running service: what a kill leaves, a live tail, and an export that outlives its session."""

import json

import httpx
import pytest

from tests.integration.cli.pluggably import pluggably
from tests.integration.service import Service

MODEL = "smollm2-135m-instruct"


@pytest.fixture
def service(tmp_path, demo_gguf):
    with Service(tmp_path, demo_gguf.parent) as running:
        yield running


def ask(http, session: str, text: str = "Hello", **headers):
    body = {"model": MODEL, "input": text, "session_id": session, "parameters": {"max_tokens": 4}}
    return http.post("/generations/text", json=body, headers=headers)


def client(service) -> httpx.Client:
    return httpx.Client(base_url=f"{service.url}/v1", timeout=60)


def test_a_turn_that_is_sent_again_after_a_kill_has_the_first_answer(service):
    key = {"Idempotency-Key": "once"}
    with client(service) as http:
        session = http.post("/sessions", json={}).json()["id"]
        first = ask(http, session, **key)
        service.kill()
        service.start()
        again = ask(http, session, **key)
        assert (again.status_code, again.json()) == (200, first.json())
        assert len(http.get(f"/sessions/{session}/turns").json()["data"]) == 1
    assert not service.children  # no model was loaded to answer


def test_a_session_is_followed_live_until_the_service_stops(service):
    with client(service) as http, client(service) as watcher:
        session = http.post("/sessions", json={}).json()["id"]
        with watcher.stream("GET", f"/sessions/{session}/events", headers={"Accept": "text/event-stream"}) as tail:
            lines = tail.iter_lines()
            ask(http, session)
            seen = []
            while len(seen) < 3:
                line = next(lines)
                seen += [line] if line.startswith("event: ") else []
            assert seen == ["event: session.opened", "event: turn.requested", "event: turn.completed"]
            service.process.terminate()
            assert not [line for line in lines if line.startswith("event: turn")]
    assert service.process.wait(timeout=30) == 0


def test_an_export_can_be_checked_and_replayed_when_service_and_session_are_gone(service, tmp_path):
    with client(service) as http:
        session = http.post("/sessions", json={"title": "Trip"}).json()["id"]
        ask(http, session, "My name is Ada.")
        exported = http.get(f"/sessions/{session}/export").content
        assert http.delete(f"/sessions/{session}").status_code == 202
    service.stop()
    (tmp_path / "export.jsonl").write_bytes(exported)
    assert "VALID: 3 events" in pluggably("audit", "verify", str(tmp_path / "export.jsonl")).stdout
    replayed = pluggably("audit", "replay", session, "--from", str(tmp_path / "export.jsonl"), "--json").stdout
    assert json.loads(replayed)["turns"][0]["messages"][0]["content"][0]["text"] == "My name is Ada."
