"""Three services on one PostgreSQL: a key that is taken away, and limits that hold over all of them."""

import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from attrs import frozen

from tests.integration.cli.pluggably import pluggably

from .service import Service

SETTINGS = """
[access]
methods = ["api_key"]
[sessions]
store = "postgres"
url_env = "DATABASE_URL"
master_key_env = "MASTER_KEY"
[audit]
signing_key_env = "SIGNING_KEY"
"""
BELIEVED_S = 1.0
DRAWING = {"model": "tiny-shapes", "input": "A red circle", "parameters": {"steps": 1, "width": 32, "height": 32}}


@frozen
class Replicas:
    """Those that run, and the secret of an admin's key."""

    services: tuple[Service, ...]
    secret: str

    @contextmanager
    def asked_with(self, secret: str) -> Iterator[list[httpx.Client]]:
        """A client of each."""
        with ExitStack() as opened:
            headers = {"X-API-Key": secret}
            yield [
                opened.enter_context(httpx.Client(base_url=f"{it.url}/v1", headers=headers, timeout=60))
                for it in self.services
            ]

    def new_key(self, **wanted) -> dict:
        """A new key with its secret, which all of them know."""
        with self.asked_with(self.secret) as (admin, *_):
            answer = admin.post("/keys", json={"name": "a", "scopes": ["generate"], **wanted})
            assert answer.status_code == httpx.codes.CREATED, answer.text
            return answer.json()


@pytest.fixture(scope="module")
def replicas(postgres, tmp_path_factory):
    with postgres.database() as url, ExitStack() as running:
        environ = {"DATABASE_URL": url, "MASTER_KEY": "1" * 64, "SIGNING_KEY": "2" * 64}
        folders = [tmp_path_factory.mktemp("replica") for _ in range(3)]
        services = tuple(Service(it, it / "models", SETTINGS, environ) for it in folders)
        made = pluggably("keys", "create", "ops", "--admin", "--json", cwd=folders[0], **environ)
        for service in services:
            running.enter_context(service)
        yield Replicas(services, json.loads(made.stdout)["secret"])


def test_a_key_that_is_revoked_is_refused_everywhere_within_a_second(replicas):
    key = replicas.new_key()
    with replicas.asked_with(replicas.secret) as (admin, *_), replicas.asked_with(key["secret"]) as clients:
        assert [it.get("/me").status_code for it in clients] == [200, 200, 200]
        admin.delete(f"/keys/{key['id']}")
        revoked = time.monotonic()
        while time.monotonic() < revoked + BELIEVED_S:  # whoever asks all the time is not believed any longer for it
            for it in clients:
                it.get("/me")
        assert [it.get("/me").status_code for it in clients] == [401, 401, 401]


def test_a_new_key_and_a_new_secret_are_known_everywhere_at_once(replicas):
    key = replicas.new_key()
    with replicas.asked_with(replicas.secret) as (_, admin, _):
        rotated = admin.post(f"/keys/{key['id']}/rotate", json={"overlap_s": 60}).json()
    for it in (key, rotated):
        with replicas.asked_with(it["secret"]) as clients:
            assert [client.get("/me").json()["id"] for client in clients] == [key["id"]] * 3


def in_one_minute(work):
    """What `work` gives when it begins and ends in the same minute."""
    while True:
        minute = time.time() // 60
        done = work()
        if time.time() // 60 == minute:
            return done


def test_a_minute_has_so_many_requests_over_all(replicas):
    def statuses():
        key = replicas.new_key(limits={"requests_per_minute": 7})
        with replicas.asked_with(key["secret"]) as clients, ThreadPoolExecutor(8) as pool:
            asked = itertools.islice(itertools.cycle(clients), 20)
            return list(pool.map(lambda it: it.post("/generations/image", json=DRAWING).status_code, asked))

    told = in_one_minute(statuses)
    assert (told.count(200), told.count(429)) == (7, 13)


def test_what_is_refused_here_is_refused_there(replicas):
    def refusals():
        key = replicas.new_key(limits={"requests_per_minute": 1})
        with replicas.asked_with(key["secret"]) as (first, *others):
            assert first.post("/generations/image", json=DRAWING).status_code == 200
            return [it.post("/generations/image", json=DRAWING) for it in (*others, first)]

    for refused in in_one_minute(refusals):
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_what_was_used_is_added_up_over_all(replicas):
    key = replicas.new_key()
    with replicas.asked_with(key["secret"]) as clients:
        with ThreadPoolExecutor(4) as pool:
            asked = itertools.islice(itertools.cycle(clients), 12)
            told = list(pool.map(lambda it: it.post("/generations/image", json=DRAWING).json()["usage"], asked))
        expected = (12, sum(it["input_tokens"] for it in told), 12)
        for client in clients:
            assert used(client, key, 12) == expected
    with replicas.asked_with(replicas.secret) as (_, _, admin):
        assert used(admin, key, 12) == expected


def used(client, key, generations) -> tuple[int, int, int]:
    """What was used with a key, once so much was: what the other service has noted comes within a second."""
    deadline = time.monotonic() + 20
    while True:
        groups = client.get("/usage", params={"group_by": "key"}).json()["data"]
        (found,) = [it for it in groups if it["group"] == key["id"]] or [{"generations": 0}]
        if found["generations"] >= generations:
            return found["generations"], found["input_tokens"], found["files"]
        assert time.monotonic() < deadline, groups
