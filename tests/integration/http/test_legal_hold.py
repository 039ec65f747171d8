"""Sessions that must be kept, over HTTP."""

import pytest

from tests.integration.http.test_session_life import events, get
from tests.integration.http.test_sessions import ask, opened

REASON = {"reason": "Case 7: keep everything."}


async def test_a_held_session_cannot_be_erased_until_it_is_released(http):
    session = await opened(http)
    held = await http.post(f"/v1/sessions/{session}/hold", json=REASON)
    assert (held.status_code, held.headers["etag"], held.json()["hold"]) == (200, '"2"', REASON["reason"])
    refused = await http.delete(f"/v1/sessions/{session}")
    assert (refused.status_code, refused.json()["code"]) == (409, "session_on_hold")
    assert REASON["reason"] in refused.json()["detail"]
    released = await http.post(f"/v1/sessions/{session}/release")
    assert (released.headers["etag"], released.json()["hold"]) == ('"3"', None)
    assert (await http.delete(f"/v1/sessions/{session}")).status_code == 202


async def test_holding_and_releasing_are_events_and_only_once(http):
    session = await opened(http)
    for _ in range(2):
        await http.post(f"/v1/sessions/{session}/hold", json=REASON)
    await http.post(f"/v1/sessions/{session}/hold", json={"reason": "Case 8"})
    for _ in range(2):
        await http.post(f"/v1/sessions/{session}/release")
    said = [(it["type"], it["data"].get("reason")) for it in (await events(http, session))[1:]]
    assert said == [("session.held", REASON["reason"]), ("session.held", "Case 8"), ("session.released", None)]


async def test_the_list_shows_what_is_held(http):
    free, held = await opened(http), await opened(http)
    await http.post(f"/v1/sessions/{held}/hold", json=REASON)
    listed = {it["id"]: it["hold"] for it in (await http.get("/v1/sessions")).json()["data"]}
    assert listed == {free: None, held: REASON["reason"]}


@pytest.mark.parametrize("verb", ["close", "archive"])
async def test_what_has_ended_can_be_held_and_what_is_held_goes_on(http, verb):
    session = await opened(http)
    await http.post(f"/v1/sessions/{session}/hold", json=REASON)
    assert (await ask(http, session)).status_code == 200
    await http.post(f"/v1/sessions/{session}/{verb}")
    await http.post(f"/v1/sessions/{session}/release")
    held = (await http.post(f"/v1/sessions/{session}/hold", json=REASON)).json()
    assert (held["hold"], (await get(http, session))["hold"]) == (REASON["reason"], REASON["reason"])


@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": " \n"}, {"reason": "x" * 1025}])
async def test_a_hold_says_why(http, body):
    session = await opened(http)
    refused = await http.post(f"/v1/sessions/{session}/hold", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/reason")


@pytest.mark.parametrize(("verb", "body"), [("hold", REASON), ("release", {})])
async def test_only_the_version_that_was_seen_is_held_or_released(http, verb, body):
    session = await opened(http)
    stale = await http.post(f"/v1/sessions/{session}/{verb}", json=body, headers={"If-Match": '"9"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    assert (await http.post(f"/v1/sessions/ses_none/{verb}", json=body)).status_code == 404
