"""Several worker processes: one address, one set of keys and counts, and none that stays dead."""

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


@pytest.fixture
def service(tmp_path, demo_gguf, database):
    environ = {"SESSIONS_URL": database, "SESSIONS_MASTER_KEY": "ab" * 32, "PLUGGABLY_SERVER__WORKERS": "2"}
    with Service(tmp_path, demo_gguf.parent, SHARED, environ) as service:
        yield service


def workers(service) -> list[psutil.Process]:
    return [it for it in service.children if it.status() != psutil.STATUS_ZOMBIE and "serve" in it.cmdline()]


def counted(service) -> float:
    families = text_string_to_metric_families(httpx.get(f"{service.url}/metrics").text)
    samples = [it for family in families for it in family.samples if it.name == "pluggably_http_requests_total"]
    return sum(it.value for it in samples if it.labels["route"] == "/v1/models")


def until(true, what: str) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_workers_answer_as_one_and_count_together(service):
    until(lambda: len(workers(service)) == 2, "both are there")
    for _ in range(20):  # on connections of their own, so that both are asked
        assert httpx.get(f"{service.url}/v1/models").status_code == 200
    assert counted(service) == 20
    session = httpx.post(f"{service.url}/v1/sessions", json={}).json()["id"]
    assert {httpx.get(f"{service.url}/v1/sessions/{session}").status_code for _ in range(10)} == {200}


def test_a_worker_that_dies_is_replaced_and_all_end_when_told(service):
    until(lambda: len(workers(service)) == 2, "both are there")
    before = {it.pid for it in workers(service)}
    victim = workers(service)[0]
    victim.send_signal(signal.SIGKILL)
    until(lambda: len({it.pid for it in workers(service)} - before) == 1, "another one is there")
    until(lambda: httpx.get(f"{service.url}/health/ready").status_code == 200, "it is ready")
    left = workers(service)
    assert service.stop() == 0
    assert not [it for it in left if it.is_running() and it.status() != psutil.STATUS_ZOMBIE]


def test_workers_on_sqlite_are_refused_with_the_reason(tmp_path):
    refused = pluggably("serve", "--workers", "2", "--port", "0", cwd=tmp_path)
    assert refused.returncode == 1
    assert "server.workers = 2 needs sessions.store = 'postgres'" in refused.stderr
