"""Retention on demand, over HTTP."""

from datetime import timedelta

import pytest

from pluggably.adapters.system import now
from pluggably.domain.errors import GatewayError
from tests.contracts.retention_store import with_token
from tests.integration.http.test_sessions import opened
from tests.integration.http.world import World

RETENTION = "/v1/retention"


class Later:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.days = 0.0

    def __call__(self):
        return now() + timedelta(days=self.days)


@pytest.fixture
def clock():
    return Later()


@pytest.fixture
def world(clock):
    return World(clock=clock)


async def closed(http) -> str:
    session = await opened(http)
    await http.post(f"/v1/sessions/{session}/close")
    return session


async def test_a_run_erases_what_was_closed_long_ago_and_shows_the_receipt(http, clock):
    old, held = await closed(http), await closed(http)
    await http.post(f"/v1/sessions/{held}/hold", json={"reason": "Case 7"})
    clock.days = 183
    young = await closed(http)
    clock.days = 184.1
    report = (await http.post(RETENTION, json={"dry_run": False})).json()
    assert (report["object"], report["dry_run"], report["skipped"]) == ("retention.report", False, [])
    assert report["policy"] == {"audit_days": 184, "token_days": 184}
    (done,) = report["done"]
    assert (done["session_id"], done["what"], done["receipt"]["events"]) == (old, "session", 3)
    assert [(await http.get(f"/v1/sessions/{it}")).status_code for it in (old, held, young)] == [410, 200, 200]


async def test_a_dry_run_says_what_is_due_and_since_when_and_does_nothing(http, clock):
    session = await closed(http)
    closed_at = (await http.get(f"/v1/sessions/{session}")).json()["closed_at"]
    clock.days = 200
    report = (await http.post(RETENTION, json={"dry_run": True})).json()
    (due,) = report["plan"]
    assert (due["session_id"], due["what"], due["reason"]) == (session, "session", "audit_days")
    assert closed_at < due["since"] < report["at"]
    assert (report["done"], report["has_more"]) == ([], False)
    assert (await http.get(f"/v1/sessions/{session}")).json()["status"] == "closed"


async def test_a_run_deletes_the_tokens_that_have_expired(http, world, clock):
    session = await opened(http)
    await with_token(world.store, await world.store.load(session), now() + timedelta(days=1))
    clock.days = 2
    report = (await http.post(RETENTION, json={"dry_run": False})).json()
    (done,) = report["done"]
    assert (done["session_id"], done["what"], done["state_tokens"], done["receipt"]) == (
        session,
        "state_tokens",
        1,
        None,
    )
    assert report["plan"][0]["reason"] == "expired"


async def test_a_run_ends_at_its_limit_and_says_that_there_is_more(http, clock):
    for _ in range(3):
        await closed(http)
    clock.days = 200
    runs = [(await http.post(RETENTION, json={"dry_run": False, "limit": 2})).json() for _ in range(2)]
    assert [(len(it["done"]), it["has_more"]) for it in runs] == [(2, True), (1, False)]


async def test_what_could_not_be_done_is_said_with_its_code(http, world, clock):
    async def erase(session, erased, provenance):
        raise GatewayError(detail="Something of it is still there.")

    session, world.store.erase = await closed(http), erase
    clock.days = 200
    (skipped,) = (await http.post(RETENTION, json={"dry_run": False})).json()["skipped"]
    assert (skipped["session_id"], skipped["what"], skipped["code"]) == (session, "session", "internal_error")
    assert skipped["detail"] == "Something of it is still there."


@pytest.mark.parametrize(
    ("body", "pointer"), [({}, "/dry_run"), ({"dry_run": "no"}, "/dry_run"), ({"dry_run": True, "limit": 0}, "/limit")]
)
async def test_nothing_is_erased_by_a_request_that_does_not_say_so(http, clock, body, pointer):
    session = await closed(http)
    clock.days = 200
    refused = await http.post(RETENTION, json=body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, pointer)
    assert (await http.get(f"/v1/sessions/{session}")).status_code == 200
