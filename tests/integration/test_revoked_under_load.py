"""Four workers on one PostgreSQL: a key that is taken away while all of them serve it."""

import threading
import time

import httpx
import psutil
import pytest

from tests.integration.cli.pluggably import pluggably
from tests.integration.service import Service

from .test_shared_access import SETTINGS

WORKERS, CLIENTS = 4, 16
BELIEVED_S = 1.0
LIMIT_S = 60


@pytest.fixture
def place(tmp_path, database):
    """The service, and the secret of an admin key."""
    environ = {"DATABASE_URL": database, "MASTER_KEY": "1" * 64, "SIGNING_KEY": "2" * 64}
    service = Service(tmp_path, tmp_path / "models", SETTINGS, environ | {"PLUGGABLY_SERVER__WORKERS": str(WORKERS)})
    made = pluggably("keys", "create", "ops", "--admin", "--json", cwd=tmp_path, **environ)
    with service:
        yield service, httpx.Response(200, content=made.stdout).json()["secret"]


class Client(threading.Thread):
    """Asks all the time, on one connection and so of one worker; `told` has when each request began, and its status."""

    def __init__(self, url: str, secret: str, end: threading.Event) -> None:
        super().__init__()
        self.http = httpx.Client(base_url=url, headers={"X-API-Key": secret}, timeout=LIMIT_S)
        self.end = end
        self.answered = threading.Event()
        self.told: list[tuple[float, int]] = []

    def run(self) -> None:
        with self.http:
            while not self.end.is_set():
                begun = time.monotonic()
                self.told.append((begun, self.http.get("/v1/me").status_code))
                self.answered.set()


def served_by_all(service: Service) -> bool:
    """Whether each worker has a connection of a client."""
    workers = psutil.Process(service.process.pid).children()
    return len(workers) == WORKERS and all(
        any(it.status == psutil.CONN_ESTABLISHED and it.laddr.port == service.port for it in worker.net_connections())
        for worker in workers
    )


def test_a_key_revoked_under_load_is_refused_by_every_worker_within_a_second(place):
    service, secret = place
    end = threading.Event()
    with httpx.Client(base_url=f"{service.url}/v1", headers={"X-API-Key": secret}, timeout=LIMIT_S) as admin:
        key = admin.post("/keys", json={"name": "a", "scopes": ["generate"]}).json()
        clients: list[Client] = []
        try:
            deadline = time.monotonic() + LIMIT_S
            while len(clients) < CLIENTS or not served_by_all(service):  # which worker gets a connection is by chance
                clients.append(Client(service.url, key["secret"], end))
                clients[-1].start()
                assert clients[-1].answered.wait(deadline - time.monotonic())
            assert admin.delete(f"/keys/{key['id']}").status_code == httpx.codes.OK
            revoked = time.monotonic()
            while not all(client.told[-1][0] > revoked + BELIEVED_S for client in clients):
                assert time.monotonic() < deadline
        finally:
            end.set()
            for client in clients:
                client.join()
    for client in clients:
        assert {status for begun, status in client.told if begun < revoked - BELIEVED_S} <= {200}
        assert {status for begun, status in client.told if begun > revoked + BELIEVED_S} == {401}
