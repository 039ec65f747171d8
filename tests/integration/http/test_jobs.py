"""Generations in the background: asked for, looked at, followed, stopped."""

import asyncio
from contextlib import asynccontextmanager

import httpx
import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.domain.errors import Overloaded, ProviderError, RunnerOutOfMemory
from pluggably.domain.job import JobStatus
from pluggably.entrypoints.http.services import HttpOptions

from .studio import Studio
from .test_live_tail import blocks, take
from .world import Endless, World, client_of, raw_connection, serving

TEXT, BACKGROUND = "/v1/generations/text", {"input": "Hello", "background": True}
WAIT = {"Prefer": "wait=20"}


@asynccontextmanager
async def at_work(world, **options):
    """A client of a service that works on jobs."""
    async with client_of(world.app(HttpOptions(access_log=False, **options), lifespan=world.at_work)) as http:
        yield http
    assert world.unexpected == []


async def queued(http, **wanted):
    answer = await http.post(TEXT, json=BACKGROUND | wanted)
    assert answer.status_code == 202, answer.text
    return answer.json()


async def ended(http, job):
    return (await http.get(f"/v1/generations/{job['id']}", headers=WAIT)).json()


@asynccontextmanager
async def following(http, job, **headers):
    async with http.stream("GET", f"/v1/generations/{job['id']}/events", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        yield blocks(response)


async def until_running(http, job):
    async with following(http, job) as events:
        assert (await take(events, 1))[0][1] == "started"


async def test_it_is_answered_at_once_and_there_later():
    world = World(ScriptedGenerator(gate=(gate := asyncio.Event())))
    async with at_work(world) as http:
        asked = await http.post(TEXT, json=BACKGROUND | {"metadata": {"who": "me"}})
        job = asked.json()
        assert (asked.status_code, asked.headers["location"]) == (202, f"/v1/generations/{job['id']}")
        assert asked.headers["retry-after"] == "1"
        assert (job["status"], job["object"], job["output"]) == ("queued", "generation", [])
        await until_running(http, job)
        running = (await http.get(asked.headers["location"])).json()
        assert (running["status"], running["metadata"]) == ("running", {"who": "me"})
        assert (running["model"]["id"], running["model"]["provider"]) == ("tiny", "local")
        gate.set()
        answer = await ended(http, job)
        assert (answer["status"], answer["id"], answer["metadata"]) == ("completed", job["id"], {"who": "me"})
        assert answer["output"][0]["text"].startswith("one two")
        again = await http.get(asked.headers["location"])
        assert again.json() == answer and "retry-after" not in again.headers


async def test_who_waits_long_enough_has_the_answer_at_once():
    async with at_work(World()) as http:
        answer = await http.post(TEXT, json=BACKGROUND, headers={"Prefer": "respond-async, wait=20"})
        assert (answer.status_code, answer.json()["status"]) == (200, "completed")
        assert answer.headers["preference-applied"] == "wait=20"


async def test_who_does_not_wait_long_enough_comes_again():
    world = World(ScriptedGenerator(gate=asyncio.Event()))
    async with at_work(world) as http:
        answer = await http.post(TEXT, json=BACKGROUND, headers={"Prefer": "wait=1"})
        assert (answer.status_code, answer.json()["status"]) == (202, "running")
        assert answer.headers["preference-applied"] == "wait=1"


async def test_it_goes_on_when_its_client_leaves():
    world = World(ScriptedGenerator(gate=(gate := asyncio.Event())))
    async with serving(world.app(lifespan=world.at_work)) as url, httpx.AsyncClient(base_url=url) as http:
        async with raw_connection(url) as connection:
            await connection.post(TEXT, b'{"input": "Hello", "background": true, "stream": true}')
            said = await connection.until(b"event: started")
            assert b"200 OK" in said
            job = (await connection.until(b"\n\n")).partition(b'"generation_id":"')[2].partition(b'"')[0].decode()
            connection.leave()
        gate.set()
        assert (await ended(http, {"id": job}))["status"] == "completed"


async def test_it_can_be_followed_and_followed_again():
    world = World(ScriptedGenerator(gate=(gate := asyncio.Event())))
    async with at_work(world) as http:
        job = await queued(http)
        async with following(http, job) as events:
            begun = await take(events, 1)
            gate.set()
            first = begun + await take(events, 3)
        assert [it[0] for it in first] == ["1", "2", "3", "4"]
        assert [it[1] for it in first] == ["started", "delta", "delta", "delta"]
        assert all(it[2]["sequence"] == int(it[0]) and it[2]["generation_id"] == job["id"] for it in first)
        whole = await ended(http, job)
        async with following(http, job, **{"Last-Event-ID": "4"}) as events:
            rest = [event async for event in events]
        assert rest[-1][1:] == ("completed", {"generation_id": job["id"], "sequence": int(rest[-1][0]), **whole})
        said = "".join(it[2].get("text", "") for it in first + rest[:-1])
        assert whole["output"][0]["text"].startswith(said)
        over = await http.get(f"/v1/generations/{job['id']}/events", headers={"Last-Event-ID": rest[-1][0]})
        assert (over.status_code, over.content) == (204, b"")


async def test_who_comes_again_while_it_runs_gets_exactly_the_rest():
    world = World(ScriptedGenerator(gate=(gate := asyncio.Event())))
    async with at_work(world) as http:
        job = await queued(http)
        await until_running(http, job)
        async with following(http, job, **{"Last-Event-ID": "3"}) as late, following(http, job) as all_along:
            gate.set()
            everything = [event async for event in all_along]
            assert [event async for event in late] == everything[3:]
        text = "".join(it[2]["text"] for it in everything if it[1] == "delta")
        assert text == everything[-1][2]["output"][0]["text"]


async def test_who_follows_what_waits_hears_that_it_waits():
    world = World(Endless(asyncio.Event()))
    async with at_work(world, ping_interval_s=0.01) as http:
        jobs = [await queued(http) for _ in range(3)]  # two of which are worked on
        async with raw_connection(str(http.base_url).rstrip("/")) as connection:
            await connection.send(f"GET /v1/generations/{jobs[2]['id']}/events HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            for _ in range(3):
                await connection.until(b": ping\n\n")


async def test_it_is_stopped_where_it_is():
    world = World(generator := Endless(asyncio.Event()))
    async with at_work(world) as http:
        job = await queued(http)
        await until_running(http, job)
        async with following(http, job) as events:
            await take(events, 1)
            stopped = await http.post(f"/v1/generations/{job['id']}/cancel")
            assert (stopped.status_code, stopped.json()["status"]) == (200, "cancelled")
            (end,) = [event async for event in events]
        assert generator.ended.is_set()
        assert (end[1], end[2]["code"]) == ("error", "cancelled")
        assert (await http.post(f"/v1/generations/{job['id']}/cancel")).json() == stopped.json()


async def test_what_waits_can_be_stopped_and_never_runs():
    world = World(ScriptedGenerator(gate=(gate := asyncio.Event())))
    async with at_work(world) as http:
        jobs = [await queued(http) for _ in range(3)]
        for job in jobs[:2]:
            await until_running(http, job)
        assert (await http.post(f"/v1/generations/{jobs[2]['id']}/cancel")).json()["status"] == "cancelled"
        gate.set()
        for job in jobs[:2]:
            assert (await ended(http, job))["status"] == "completed"
        assert (await ended(http, jobs[2]))["status"] == "cancelled"
        assert len(world.generator.requests) == 2


async def test_what_has_ended_stays_as_it_is():
    async with at_work(World()) as http:
        job = await ended(http, await queued(http))
        assert (await http.post(f"/v1/generations/{job['id']}/cancel")).json() == job


async def test_a_failure_is_told_as_it_was():
    world = World(ScriptedGenerator(failure=ProviderError(detail="Out of order."), fails_after=2))
    async with at_work(world) as http:
        job = await ended(http, await queued(http))
        error = job["error"]
        assert (job["status"], job["output"], error["code"], error["status"]) == ("failed", [], "provider_error", 502)
        assert (error["detail"], error["source"], error["retryable"]) == ("Out of order.", "provider", True)
        assert error["instance"] == f"/v1/generations/{job['id']}"
        async with following(http, job) as events:
            told = [event async for event in events]
        assert [it[1] for it in told] == ["started", "error"]
        assert told[1][2]["code"] == "provider_error"


async def test_what_cannot_begin_is_refused_at_once():
    async with at_work(World()) as http:
        for wanted, status, code in (
            ({"model": "nowhere"}, 400, "model_not_found"),
            ({"model": "painter"}, 400, "model_modality_mismatch"),
            ({"model": "acme/large", "parameters": {"seed": 1}}, 400, "invalid_request"),
            ({"session_id": "ses_nowhere"}, 404, "not_found"),
            ({"state_token": "st_none"}, 422, "state_token_invalid"),
        ):
            refused = await http.post(TEXT, json=BACKGROUND | wanted)
            assert (refused.status_code, refused.json()["code"]) == (status, code)


async def test_a_queue_that_is_full_turns_away():
    world = World(Endless(asyncio.Event()), queue_limit=1)
    async with at_work(world) as http:
        for _ in range(2):
            await until_running(http, await queued(http))
        await queued(http)
        refused = await http.post(TEXT, json=BACKGROUND)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        await queued(http, model="acme/large")  # which has a queue of its own


async def test_a_model_that_has_no_room_now_is_waited_for():
    class Full(ScriptedGenerator):
        async def generate(self, request):
            if len(self.requests) == 0:
                self.requests.append(request)
                raise Overloaded(detail="Later.", retry_after_s=0.01)
            async for event in super().generate(request):
                yield event

    world = World(Full())
    async with at_work(world) as http:
        assert (await ended(http, await queued(http)))["status"] == "completed"
        assert len(world.generator.requests) == 2


async def test_one_that_can_never_have_room_fails():
    async with at_work(World(ScriptedGenerator(failure=RunnerOutOfMemory()))) as http:
        assert (await ended(http, await queued(http)))["error"]["code"] == "runner_out_of_memory"


async def test_a_turn_in_the_background_is_a_turn():
    world = World(ScriptedGenerator(answer=lambda request: " / ".join(it.text for it in request.messages)))
    async with at_work(world) as http:
        session = (await http.post("/v1/sessions", json={})).json()["id"]
        jobs = [await queued(http, input=text, session_id=session) for text in ("One", "Two", "Three")]
        answers = [await ended(http, job) for job in jobs]
        assert [it["session"]["turn"] for it in answers] == [1, 2, 3]
        assert answers[1]["output"][0]["text"] == "One / One / Two"
        assert answers[0]["state_token"]
        (first, *_) = (await http.get(f"/v1/sessions/{session}/turns")).json()["data"]
        assert (first["generation_id"], first["status"]) == (jobs[0]["id"], "completed")


async def test_a_closed_session_takes_none():
    async with at_work(World()) as http:
        session = (await http.post("/v1/sessions", json={})).json()["id"]
        await http.post(f"/v1/sessions/{session}/close")
        refused = await http.post(TEXT, json=BACKGROUND | {"session_id": session})
        assert (refused.status_code, refused.json()["code"]) == (409, "session_closed")


async def test_a_stale_version_takes_none():
    async with at_work(World()) as http:
        session = (await http.post("/v1/sessions", json={})).json()["id"]
        wanted = BACKGROUND | {"session_id": session}
        refused = await http.post(TEXT, json=wanted, headers={"If-Match": '"7"'})
        assert (refused.status_code, refused.json()["code"]) == (412, "version_conflict")
        taken = await http.post(TEXT, json=wanted, headers={"If-Match": '"1"'} | WAIT)
        assert (taken.status_code, taken.json()["status"]) == (200, "completed")


async def test_erasing_a_session_takes_its_jobs():
    async with at_work(World()) as http:
        session = (await http.post("/v1/sessions", json={})).json()["id"]
        job = await ended(http, await queued(http, session_id=session))
        receipt = (await http.delete(f"/v1/sessions/{session}")).json()
        assert receipt["jobs"] == 1
        assert (await http.get(f"/v1/generations/{job['id']}")).status_code == 404


@pytest.mark.parametrize("in_session", [False, True])
async def test_the_same_request_with_the_same_key_is_one_job(in_session):
    world = World()
    async with at_work(world) as http:
        session = (await http.post("/v1/sessions", json={})).json()["id"] if in_session else None
        wanted, key = BACKGROUND | {"session_id": session}, {"Idempotency-Key": "once"}
        answers = await asyncio.gather(*(http.post(TEXT, json=wanted, headers=key) for _ in range(4)))
        (job_id,) = {it.json()["id"] for it in answers}
        assert {it.status_code for it in answers} <= {200, 202}
        whole = await ended(http, {"id": job_id})
        again = await http.post(TEXT, json=wanted, headers=key)
        assert (again.status_code, again.json()) == (200, whole)
        assert len(world.generator.requests) == 1
        other = await http.post(TEXT, json=wanted | {"input": "Bye"}, headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_a_key_that_stands_for_a_turn_is_refused():
    async with at_work(World()) as http:
        session = (await http.post("/v1/sessions", json={})).json()["id"]
        key, wanted = {"Idempotency-Key": "once"}, {"input": "Hello", "session_id": session}
        assert (await http.post(TEXT, json=wanted, headers=key)).status_code == 200
        other = await http.post(TEXT, json=wanted | {"background": True}, headers=key)
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


async def test_what_is_not_there_is_404():
    async with at_work(World()) as http:
        for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/cancel")):
            missing = await http.request(method, f"/v1/generations/gen_nowhere{path}")
            assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_what_others_have_is_404():
    world = World()
    async with at_work(world) as http:
        job = await queued(http)
        await ended(http, job)
        kept = world.jobs._jobs[job["id"]]  # as no other principal can be had over HTTP yet
        from attrs import evolve

        world.jobs._jobs[job["id"]] = evolve(kept, job=evolve(kept.job, owner="somebody else"))
        assert (await http.get(f"/v1/generations/{job['id']}")).status_code == 404
        assert (await http.post(f"/v1/generations/{job['id']}/cancel")).status_code == 404


async def test_pictures_are_made_in_the_background_with_their_progress(tmp_path):
    world = Studio(tmp_path)
    async with at_work(world) as http:
        wanted = {"input": "A red circle", "background": True, "delivery": "url"}
        job = (await http.post("/v1/generations/image", json=wanted, headers=WAIT)).json()
        artifact = job["output"][0]["artifact"]
        assert (job["status"], artifact["media_type"]) == ("completed", "image/png")
        assert (await http.get(artifact["url"])).status_code == 200
        async with following(http, job) as events:
            assert [it[1] async for it in events] == ["started", "completed"]
        await http.delete(f"/v1/artifacts/{artifact['id']}")
        later = (await http.get(f"/v1/generations/{job['id']}")).json()
        assert (later["status"], later["output"][0]["artifact_id"]) == ("completed", artifact["id"])
    await world.kept.close()


async def test_a_service_that_stops_interrupts_what_runs_and_keeps_what_waits():
    world = World(Endless(asyncio.Event()))
    async with at_work(world) as http:
        running = [await queued(http) for _ in range(2)]
        for job in running:
            await until_running(http, job)
        waiting = await queued(http)
    jobs = [await world.jobs.get(job["id"]) for job in (*running, waiting)]
    assert [it.status for it in jobs] == [JobStatus.FAILED, JobStatus.FAILED, JobStatus.QUEUED]
    assert jobs[0].failure.code == "interrupted" and jobs[2].worker == ""
    later = World(jobs=world.jobs)
    async with at_work(later) as http:
        assert (await ended(http, waiting))["status"] == "completed"
        assert (await ended(http, running[0]))["error"]["code"] == "interrupted"


@pytest.mark.parametrize("value", ["wait", "wait=x", "wait=-1", "waiting=3", ""])
async def test_a_preference_that_is_not_understood_is_none(value):
    world = World(ScriptedGenerator(gate=asyncio.Event()))
    async with at_work(world) as http:
        answer = await http.post(TEXT, json=BACKGROUND, headers={"Prefer": value})
        assert answer.status_code == 202 and "preference-applied" not in answer.headers


@pytest.mark.parametrize("value", ["", "x", "-1", "1.5"])
async def test_a_last_event_id_that_is_none_is_refused(value):
    async with at_work(World()) as http:
        job = await queued(http)
        refused = await http.get(f"/v1/generations/{job['id']}/events", headers={"Last-Event-ID": value})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/headers/Last-Event-ID")
