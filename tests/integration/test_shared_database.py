"""Two running services on one PostgreSQL: to a client they are one."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg
import pytest

from tests.integration.service import Service, a_long_answer

PATIENCE_IN_PINGS = 4
MODEL = "smollm2-135m-instruct"
SETTINGS = """
[sessions]
store = "postgres"
url_env = "SESSIONS_URL"
master_key_env = "SESSIONS_MASTER_KEY"
"""
LET_A_MINUTE_PASS = """
UPDATE gateway_processes SET steady_since = steady_since - interval '1 minute',
seen_at = seen_at - CASE WHEN name IN (SELECT active_by FROM session_list) THEN interval '1 minute' ELSE '0' END"""


@pytest.fixture
def services(tmp_path, demo_gguf, database):
    """Two, each with a data folder of its own, as if they were on two hosts."""
    environ = {"SESSIONS_URL": database, "SESSIONS_MASTER_KEY": "ab" * 32}
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
    one, two = (Service(folder, demo_gguf.parent, SETTINGS, environ) for folder in folders)
    with one, two:
        yield one, two


@pytest.fixture
def clients(services):
    """A client of each."""
    one, two = (httpx.Client(base_url=f"{service.url}/v1", timeout=60) for service in services)
    with one, two:
        yield one, two


@contextmanager
def following(http: httpx.Client, session: str, after: int) -> Iterator[Iterator[dict]]:
    """The events of a session from then on, as they come."""
    path, headers = f"/sessions/{session}/events?after={after}", {"Accept": "text/event-stream"}
    with http.stream("GET", path, headers=headers) as response:
        yield events_in(response.iter_lines())


def events_in(lines: Iterator[str]) -> Iterator[dict]:
    pings = 0
    for line in lines:
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))
        pings += line.startswith(":")
        assert pings < PATIENCE_IN_PINGS, "nothing comes any more"


def ask(http: httpx.Client, session: str, **headers: str) -> dict:
    body = {"model": MODEL, "input": "Hello", "session_id": session, "parameters": {"max_tokens": 4}}
    answer = http.post("/generations/text", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_conversation_goes_on_through_either_of_them(clients):
    one, two = clients
    session = one.post("/sessions", json={"title": "shared"}).json()["id"]
    with following(two, session, after=1) as seen_by_two:
        first = ask(one, session, **{"Idempotency-Key": "once"})
        assert [next(seen_by_two)["type"] for _ in range(2)] == ["turn.requested", "turn.completed"]
    with following(one, session, after=3) as seen_by_one:
        second = ask(two, session)
        assert [next(seen_by_one)["version"] for _ in range(2)] == [4, 5]
    assert (first["session"]["turn"], second["session"]["turn"]) == (1, 2)
    assert ask(two, session, **{"Idempotency-Key": "once"}) == first
    for path in ("", "/turns", "/events", "/verify"):
        assert one.get(f"/sessions/{session}{path}").json() == two.get(f"/sessions/{session}{path}").json()
    turns = two.get(f"/sessions/{session}/turns").json()["data"]
    assert [turn["output"] for turn in turns] == [first["output"], second["output"]]


def test_the_turn_of_a_service_that_was_killed_is_ended_by_the_other_one(services, clients, database):
    one, two = clients
    session = one.post("/sessions", json={}).json()["id"]
    with one.stream("POST", "/generations/text", json=a_long_answer(MODEL, session_id=session)) as response:
        lines = response.iter_lines()
        while not next(lines).startswith("event: delta"):
            pass
        services[0].kill()
    with following(two, session, after=2) as seen_by_two:
        with psycopg.connect(database) as connection:
            connection.execute(LET_A_MINUTE_PASS)
        ended = next(seen_by_two)
    assert (ended["type"], ended["data"]["code"], ended["actor"]) == ("turn.failed", "interrupted", "system")
    assert ask(two, session)["session"]["turn"] == 2
    assert two.get(f"/sessions/{session}/verify").json()["valid"]
