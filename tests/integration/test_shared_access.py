"""Two services on one PostgreSQL: a key that is taken away, and limits that hold over both."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

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


@pytest.fixture(scope="module")
def services(postgres, tmp_path_factory):
    """Both, and the secret of an admin key."""
    with postgres.database() as url:
        environ = {"DATABASE_URL": url, "MASTER_KEY": "1" * 64, "SIGNING_KEY": "2" * 64}
        one, two = (tmp_path_factory.mktemp(name) for name in ("one", "two"))
        first = Service(one, one / "models", SETTINGS, environ)
        made = pluggably("keys", "create", "ops", "--admin", "--json", cwd=one, **environ)
        secret = httpx.Response(200, content=made.stdout).json()["secret"]
        with first, Service(two, two / "models", SETTINGS, environ) as second:
            yield first, second, secret


def with_key(service, secret):
    return httpx.Client(base_url=f"{service.url}/v1", headers={"X-API-Key": secret}, timeout=60)


def made(services, **wanted):
    """A new key with its secret, which both services know."""
    first, _, secret = services
    with with_key(first, secret) as admin:
        answer = admin.post("/keys", json={"name": "a", "scopes": ["generate"], **wanted})
        assert answer.status_code == httpx.codes.CREATED, answer.text
        return answer.json()


def test_a_key_that_is_revoked_is_refused_by_both_within_a_second(services):
    first, second, secret = services
    key = made(services)
    with (
        with_key(first, secret) as admin,
        with_key(first, key["secret"]) as here,
        with_key(second, key["secret"]) as there,
    ):
        assert [it.get("/me").status_code for it in (here, there)] == [200, 200]
        admin.delete(f"/keys/{key['id']}")
        revoked = time.monotonic()
        while time.monotonic() < revoked + BELIEVED_S:  # whoever asks all the time is not believed any longer for it
            for it in (here, there):
                it.get("/me")
        assert [it.get("/me").status_code for it in (here, there)] == [401, 401]


def test_a_new_key_and_a_new_secret_are_known_to_both_at_once(services):
    first, second, secret = services
    key = made(services)
    with with_key(second, secret) as admin:
        rotated = admin.post(f"/keys/{key['id']}/rotate", json={"overlap_s": 60}).json()
    for service in (first, second):
        for it in (key, rotated):
            with with_key(service, it["secret"]) as client:
                assert client.get("/me").json()["id"] == key["id"]


def in_one_minute(work):
    """What `work` gives when it begins and ends in the same minute."""
    while True:
        minute = time.time() // 60
        done = work()
        if time.time() // 60 == minute:
            return done


def test_a_minute_has_so_many_requests_over_both(services):
    first, second, _ = services

    def statuses():
        key = made(services, limits={"requests_per_minute": 7})
        with with_key(first, key["secret"]) as here, with_key(second, key["secret"]) as there:

            def ask(number):
                return (here, there)[number % 2].post("/generations/image", json=DRAWING).status_code

            with ThreadPoolExecutor(8) as pool:
                return list(pool.map(ask, range(20)))

    told = in_one_minute(statuses)
    assert (told.count(200), told.count(429)) == (7, 13)


def test_what_is_refused_here_is_refused_there(services):
    first, second, _ = services

    def refusals():
        key = made(services, limits={"requests_per_minute": 1})
        with with_key(first, key["secret"]) as here, with_key(second, key["secret"]) as there:
            assert here.post("/generations/image", json=DRAWING).status_code == 200
            return [it.post("/generations/image", json=DRAWING) for it in (there, here)]

    for refused in in_one_minute(refusals):
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_what_was_used_is_added_up_over_both(services):
    first, second, secret = services
    key = made(services)
    with with_key(first, key["secret"]) as here, with_key(second, key["secret"]) as there:

        def ask(number):
            return (here, there)[number % 2].post("/generations/image", json=DRAWING).json()["usage"]

        with ThreadPoolExecutor(4) as pool:
            told = list(pool.map(ask, range(12)))
        expected = (12, sum(it["input_tokens"] for it in told), 12)
        for client in (here, there):
            assert used(client, key, 12) == expected
    with with_key(second, secret) as admin:
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
