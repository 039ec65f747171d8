"""A session's events as they come."""

import asyncio
import json
from contextlib import asynccontextmanager

import httpx
import pytest

from pluggably.entrypoints.http.services import HttpOptions
from tests.integration.http.world import TLS, World, client_of, serving

LIVE = {"Accept": "text/event-stream"}


@asynccontextmanager
async def following(http, session, **headers):
    async with http.stream("GET", f"/v1/sessions/{session}/events", headers=LIVE | headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"] == "text/event-stream"
        yield blocks(response)


async def blocks(response):
    """The stream's events, as id, type and data."""
    begun = ""
    async for chunk in response.aiter_text():
        *whole, begun = (begun + chunk).split("\n\n")
        for block in whole:
            if not block.startswith(":"):
                lines = dict(line.split(": ", 1) for line in block.split("\n"))
                yield lines.get("id"), lines["event"], json.loads(lines["data"])


async def take(events, count):
    async with asyncio.timeout(20):
        return [await anext(events) for _ in range(count)]


async def a_session(http):
    return (await http.post("/v1/sessions", json={"title": "Trip"})).json()["id"]


async def a_turn(http, session):
    answer = await http.post("/v1/generations/text", json={"input": "Hello", "session_id": session})
    assert answer.status_code == 200, answer.text


async def test_what_is_stored_comes_first_and_then_what_happens(http):
    session = await a_session(http)
    await a_turn(http, session)
    async with following(http, session) as events, following(http, session) as others:
        assert [it[0] for it in await take(events, 3)] == ["1", "2", "3"]
        for _ in range(3):
            await a_turn(http, session)
        seen = await take(events, 6)
        assert [it[0] for it in seen] == [str(version) for version in range(4, 10)]
        assert [it[0] for it in await take(others, 9)] == [str(version) for version in range(1, 10)]
    listed = (await http.get(f"/v1/sessions/{session}/events")).json()["data"]
    assert [(name, data) for _, name, data in seen] == [(it["type"], it) for it in listed[3:]]


async def test_who_comes_again_gets_exactly_the_rest(http):
    session = await a_session(http)
    async with following(http, session) as events:
        await take(events, 1)
    for _ in range(60):
        await a_turn(http, session)
    async with following(http, session, **{"Last-Event-ID": "1"}) as events:
        assert [it[0] for it in await take(events, 120)] == [str(version) for version in range(2, 122)]


@pytest.mark.parametrize("last", ["", "x", "-1", "1.5", "9" * 19, "\u00b2".encode().decode("latin-1")])
async def test_an_id_that_no_event_has_is_refused(http, last):
    session = await a_session(http)
    headers = LIVE | {"Last-Event-ID": last}
    refused = await http.get(
        f"/v1/sessions/{session}/events", headers={k: v.encode("latin-1") for k, v in headers.items()}
    )
    assert refused.status_code == 400
    assert "Last-Event-ID" in refused.text


async def test_a_limit_is_refused_and_an_unknown_session_is_not_found(http):
    session = await a_session(http)
    assert (await http.get(f"/v1/sessions/{session}/events?limit=3", headers=LIVE)).status_code == 400
    assert (await http.get("/v1/sessions/ses_absent/events", headers=LIVE)).status_code == 404


async def test_a_follower_is_told_that_the_session_is_gone(http):
    session = await a_session(http)
    async with following(http, session) as events:
        await take(events, 1)
        assert (await http.delete(f"/v1/sessions/{session}")).status_code == 202
        rest = [it async for it in events]
    last_id, name, problem = rest[-1]
    assert (last_id, name, problem["code"]) == (None, "error", "session_erased")


async def test_a_quiet_session_pings(world):
    async with client_of(world.app(HttpOptions(ping_interval_s=0.01, access_log=False))) as http:
        session = await a_session(http)
        async with http.stream("GET", f"/v1/sessions/{session}/events?after=1", headers=LIVE) as response:
            text = ""
            async for chunk in response.aiter_text():
                text += chunk
                if text.count(": ping\n\n") >= 3:
                    break


async def test_draining_ends_the_stream():
    app = World().app()
    async with client_of(app) as http:
        session = await a_session(http)
        async with following(http, session) as events:
            await take(events, 1)
            app.drain()
            async with asyncio.timeout(20):
                assert [it async for it in events] == []


async def test_a_follower_who_leaves_leaves_nothing_behind():
    async with serving(World().app()) as url:
        async with httpx.AsyncClient(base_url=url, verify=TLS) as http:
            session = await a_session(http)
        before = asyncio.all_tasks()
        async with httpx.AsyncClient(base_url=url, verify=TLS) as http, following(http, session) as events:
            await take(events, 1)
            assert asyncio.all_tasks() > before
        async with asyncio.timeout(20):
            while asyncio.all_tasks() - before:
                await asyncio.sleep(0)


async def test_asking_for_the_headers_alone_does_not_wait_for_events(world):
    one_connection = httpx.Limits(max_connections=1)
    async with serving(world.app()) as url, httpx.AsyncClient(base_url=url, verify=TLS, limits=one_connection) as http:
        session = await a_session(http)
        head = await http.head(f"/v1/sessions/{session}/events", headers=LIVE)
        assert (head.status_code, head.headers["content-type"], head.content) == (200, "text/event-stream", b"")
        # The connection is free again only once the answer has ended.
        assert (await http.head("/v1/sessions/ses_none/events", headers=LIVE)).status_code == 404
