"""Several worker processes: one address, one set of keys and counts, none that stays dead, and none left behind."""

import signal
import time

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.cli.pluggably import pluggably
from tests.integration.service import Service

SHARED = """
[sessions]
store = "postgres"
url_env = "SESSIONS_URL"
[logging]
format = "json"
"""
LIMIT_S = 60
MODEL = "smollm2-135m-instruct"


@pytest.fixture
def service(tmp_path, demo_gguf, database):
    environ = {"SESSIONS_URL": database, "SESSIONS_MASTER_KEY": "ab" * 32, "PLUGGABLY_SERVER__WORKERS": "2"}
    with Service(tmp_path, demo_gguf.parent, SHARED, environ) as service:
        assert len(workers(service)) == 2
        yield service


def workers(service) -> list[psutil.Process]:
    """Those that run, and no models of theirs."""
    children = psutil.Process(service.process.pid).children()
    return [it for it in children if it.status() != psutil.STATUS_ZOMBIE]


def resident(service) -> float:
    text = httpx.get(f"{service.url}/metrics").text
    return sum(float(it.split()[-1]) for it in text.splitlines() if it.startswith("pluggably_model_resident_bytes{"))


def counted(service) -> float:
    families = text_string_to_metric_families(httpx.get(f"{service.url}/metrics").text)
    samples = [it for family in families for it in family.samples if it.name == "pluggably_http_requests_total"]
    return sum(it.value for it in samples if it.labels["route"] == "/v1/models")


def test_workers_answer_as_one_and_count_together(service):
    for _ in range(20):  # on connections of their own, so that both are asked
        assert httpx.get(f"{service.url}/v1/models").status_code == 200
    assert counted(service) == 20
    body = {"model": MODEL, "input": "Hello", "parameters": {"max_tokens": 1}}
    assert httpx.post(f"{service.url}/v1/generations/text", json=body, timeout=LIMIT_S).status_code == 200
    deadline = time.monotonic() + LIMIT_S
    while not all(resident(service) > 0 for _ in range(8)):  # the model is one worker's, and any of them tells of it
        assert time.monotonic() < deadline
    session = httpx.post(f"{service.url}/v1/sessions", json={}).json()["id"]
    assert {httpx.get(f"{service.url}/v1/sessions/{session}").status_code for _ in range(10)} == {200}


def test_a_worker_that_dies_is_replaced_and_all_end_when_told(service):
    before = workers(service)
    before[0].send_signal(signal.SIGKILL)
    deadline = time.monotonic() + LIMIT_S
    while len(set(workers(service)) - set(before)) != 1:  # nobody tells of a process of another one
        assert time.monotonic() < deadline, service.log
        time.sleep(0.02)
    left = workers(service)
    assert service.stop() == 0
    assert psutil.wait_procs(left, timeout=LIMIT_S)[1] == []


def test_workers_end_with_their_supervisor_however_it_ends(service):
    left = workers(service)
    service.process.send_signal(signal.SIGKILL)
    service.process.wait()
    assert psutil.wait_procs(left, timeout=LIMIT_S)[1] == []


def test_ctrl_c_lets_workers_finish_what_they_do(service):
    body = {"model": MODEL, "input": "Say a lot.", "stream": True, "parameters": {"max_tokens": 100}}
    with httpx.stream("POST", f"{service.url}/v1/generations/text", json=body, timeout=LIMIT_S) as answer:
        lines = answer.iter_lines()
        while next(lines) != "event: delta":
            pass
        service.process.send_signal(signal.SIGINT)
        assert "event: completed" in list(lines)
    assert service.process.wait(LIMIT_S) == 0


def test_workers_on_sqlite_are_refused_with_the_reason(tmp_path):
    refused = pluggably("serve", "--workers", "2", "--port", "0", cwd=tmp_path)
    assert refused.returncode == 1
    assert "server.workers = 2 needs sessions.store = 'postgres'" in refused.stderr
