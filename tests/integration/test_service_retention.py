"""Retention by the running service, and by its command line."""

import json
import time

import httpx
import pytest

from tests.integration.cli.pluggably import pluggably
from tests.integration.service import Service

PATIENCE_S = 30
AT_ONCE = "[sessions]\naudit_days = 0\nretention_every_s = {}\n"


def serving(folder, every_s: int) -> Service:
    """A service without models that erases what is closed."""
    (folder / "models").mkdir()
    return Service(folder, folder / "models", AT_ONCE.format(every_s))


@pytest.fixture
def service(tmp_path):
    """It does not run retention by itself."""
    with serving(tmp_path, 0) as running:
        yield running


def client(service) -> httpx.Client:
    return httpx.Client(base_url=f"{service.url}/v1", timeout=60, trust_env=False)


def opened(http) -> str:
    return http.post("/sessions", json={}).json()["id"]


def status_of(http, session: str) -> int:
    return http.get(f"/sessions/{session}").status_code


def until_erased(http, session: str) -> None:
    """Follow the session's events, which end when it is erased."""
    deadline = time.monotonic() + PATIENCE_S
    with http.stream("GET", f"/sessions/{session}/events", headers={"Accept": "text/event-stream"}) as tail:
        for _ in tail.iter_lines():  # a ping at least, from time to time
            assert time.monotonic() < deadline, f"{session} was not erased"


def test_the_service_erases_by_itself_what_is_due_and_keeps_what_is_held(tmp_path):
    with serving(tmp_path, 1) as service, client(service) as http:
        held, open_, closed, later = (opened(http) for _ in range(4))
        http.post(f"/sessions/{held}/hold", json={"reason": "Case 7"})
        for session in (held, closed):
            http.post(f"/sessions/{session}/close")
        until_erased(http, closed)
        assert [status_of(http, it) for it in (held, open_, closed)] == [200, 200, 410]
        erased = http.get(f"/sessions/{closed}/export").text.splitlines()[-2]
        by = json.loads(erased)["provenance"]
        assert (by["actor"], by["method"], by["request_id"][:4]) == ("system", "retention", "ret_")
        http.post(f"/sessions/{later}/close")
        until_erased(http, later)  # then the run before has been told of
        told = next(json.loads(line) for line in service.log.splitlines() if "retention.ran" in line)
        assert (told["request_id"], told["sessions"], told["skipped"]) == (by["request_id"], 1, 0)
        assert service.stop() == 0


def test_a_dry_run_shows_what_is_due_and_the_run_after_it_does_it(service):
    here = ("--url", service.url)
    with client(service) as http:
        session = opened(http)
        http.post(f"/sessions/{session}/close")
        dry = pluggably("sessions", "retention", "--dry-run", *here)
        assert (dry.returncode, dry.stderr) == (0, "")
        assert session in dry.stdout
        assert "Nothing was done" in dry.stdout
        assert status_of(http, session) == 200
        done = pluggably("sessions", "retention", *here)
        assert "Erased sessions: 1. Deleted state tokens: 0. Not done: 0." in done.stdout
        assert status_of(http, session) == 410
    assert "Nothing was kept too long" in pluggably("sessions", "retention", *here).stdout


def test_a_run_can_be_bounded_and_read_by_programs(service):
    with client(service) as http:
        for _ in range(2):
            http.post(f"/sessions/{opened(http)}/close")
    here = ("--limit", "1", "--url", service.url)
    assert "There is more" in pluggably("sessions", "retention", "--dry-run", *here).stdout
    report = json.loads(pluggably("sessions", "retention", "--json", *here).stdout)
    assert (len(report["done"]), report["has_more"]) == (1, True)


def test_a_session_is_held_and_released_from_the_command_line(service):
    here = ("--url", service.url)
    with client(service) as http:
        session = opened(http)
        held = pluggably("sessions", "hold", session, "--reason", "Case [7]", *here)
        assert held.stdout == f"{session} is on hold: Case [7]\n"
        http.post(f"/sessions/{session}/close")
        assert "Nothing was kept too long" in pluggably("sessions", "retention", *here).stdout
        assert "on hold: Case [7]" in pluggably("sessions", "show", session, *here).stdout
        assert "closed, on hold" in pluggably("sessions", "list", *here, COLUMNS="120").stdout
        assert pluggably("sessions", "release", session, *here).stdout == f"{session} is not on hold.\n"
        pluggably("sessions", "retention", *here)
        assert status_of(http, session) == 410


def test_a_hold_needs_a_reason(service):
    refused = pluggably("sessions", "hold", "ses_a", "--url", service.url)
    assert refused.returncode != 0
    assert "--reason" in refused.stdout + refused.stderr
