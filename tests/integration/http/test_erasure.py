"""Erasing a session over HTTP."""

from tests.integration.http.test_sessions import GENERATE, ask, opened

KEY = {"Idempotency-Key": "once-0001"}


async def test_a_session_is_erased_and_the_receipt_says_what_was_removed(http):
    session = (await http.post("/v1/sessions", json={"title": "Secret"}, headers=KEY)).json()["id"]
    await ask(http, session)
    erased = await http.delete(f"/v1/sessions/{session}")
    receipt = erased.json()
    assert (erased.status_code, receipt["object"], receipt["session_id"]) == (202, "session.erasure", session)
    assert (receipt["events"], receipt["idempotency_keys"]) == (4, 1)
    for path in ("", "/turns", "/events"):
        gone = await http.get(f"/v1/sessions/{session}{path}")
        assert (gone.status_code, gone.json()["code"]) == (410, "session_erased")
        assert "Secret" not in gone.text
    found = (await http.get(f"/v1/sessions/{session}/verify")).json()
    assert (found["valid"], found["erased"], found["head"]) == (True, True, receipt["head"])
    assert (await http.get("/v1/sessions")).json()["data"] == []


async def test_an_erased_session_takes_nothing_any_more(http):
    session = await opened(http)
    await http.delete(f"/v1/sessions/{session}")
    for answer in (
        await http.post(GENERATE, json={"input": "x", "session_id": session}),
        await http.post(GENERATE, json={"input": "x", "session_id": session, "stream": True}),
        await http.post(f"/v1/sessions/{session}/fork"),
        await http.post("/v1/sessions", json={"continued_from": session}),
        await http.patch(f"/v1/sessions/{session}", json={"title": "x"}),
        await http.delete(f"/v1/sessions/{session}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (410, "session_erased")


async def test_only_the_version_that_was_seen_is_erased(http):
    session = await opened(http)
    stale = await http.delete(f"/v1/sessions/{session}", headers={"If-Match": '"9"'})
    assert stale.status_code == 412
    assert (await http.delete(f"/v1/sessions/{session}", headers={"If-Match": '"1"'})).status_code == 202


async def test_a_fork_outlives_its_origin(http):
    session = await opened(http)
    await ask(http, session, "Hello")
    fork = (await http.post(f"/v1/sessions/{session}/fork")).json()["id"]
    await http.delete(f"/v1/sessions/{session}")
    (turn,) = (await http.get(f"/v1/sessions/{fork}/turns")).json()["data"]
    assert turn["messages"][0]["content"][0]["text"] == "Hello"
