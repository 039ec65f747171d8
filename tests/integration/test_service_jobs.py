"""Generations in the background of the service as its users run it: they outlive clients, and know of a power cut."""

import json

import httpx
import pytest

from tests.integration.service import Service, a_long_answer

MODEL = "smollm2-135m-instruct"
LONG = {**a_long_answer(MODEL), "stream": False, "background": True}
SHORT = {"model": MODEL, "input": "Hello", "background": True, "parameters": {"max_tokens": 3}}
ONE_AT_A_TIME = "[jobs]\nparallel = 1\n[runners]\nparallel = 1\n"
SHARED = """
[sessions]
store = "postgres"
url_env = "SESSIONS_URL"
master_key_env = "SESSIONS_MASTER_KEY"
"""
LIMIT_S = 60


def queued(http: httpx.Client, body: dict, kind: str = "text") -> str:
    answer = http.post(f"/generations/{kind}", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()["id"]


def job(http: httpx.Client, job_id: str, wait_s: int = 0) -> dict:
    return http.get(f"/generations/{job_id}", headers={"Prefer": f"wait={wait_s}"}).json()


def until_begun(http: httpx.Client, job_id: str) -> None:
    """Follow the job until it has begun, or has ended."""
    with http.stream("GET", f"/generations/{job_id}/events") as events:
        assert next(line for line in events.iter_lines() if line.startswith("event: "))


@pytest.fixture
def service(tmp_path, demo_gguf):
    with Service(tmp_path, demo_gguf.parent, ONE_AT_A_TIME) as service:
        yield service


@pytest.fixture
def http(service):
    with httpx.Client(base_url=f"{service.url}/v1", timeout=LIMIT_S) as http:
        yield http


def test_what_ran_when_the_power_went_is_interrupted_and_what_waited_runs(service, http):
    session = http.post("/sessions", json={}).json()["id"]
    running = queued(http, LONG | {"session_id": session})
    until_begun(http, running)
    waiting = queued(http, SHORT | {"metadata": {"who": "me"}})
    service.kill()
    service.start()
    assert (job(http, running)["status"], job(http, running)["error"]["code"]) == ("failed", "interrupted")
    done = job(http, waiting, LIMIT_S)
    assert (done["status"], done["metadata"]) == ("completed", {"who": "me"})
    (turn,) = http.get(f"/sessions/{session}/turns").json()["data"]
    assert (turn["status"], turn["error"]["code"]) == ("failed", "interrupted")


def test_what_runs_when_it_is_stopped_may_come_to_its_end(service, http):
    running = queued(http, SHORT | {"parameters": {"max_tokens": 64}})
    until_begun(http, running)
    assert service.stop() == 0
    service.start()
    assert job(http, running)["status"] == "completed"


def test_pictures_and_meshes_are_made_in_the_background_step_by_step(http):
    for kind, model, said, media_type in (
        ("image", "tiny-shapes", "a red circle", "image/png"),
        ("3d", "tiny-solids", "a red cube", "model/gltf-binary"),
    ):
        made = queued(http, {"model": model, "input": said, "background": True, "delivery": "url"}, kind)
        with http.stream("GET", f"/generations/{made}/events") as response:
            lines = [line for line in response.iter_lines() if line.startswith(("event: ", "data: "))]
        names = [line.removeprefix("event: ") for line in lines[::2]]
        assert names[0] == "started" and names[-1] == "completed" and "progress" in names
        artifact = json.loads(lines[-1].removeprefix("data: "))["output"][0]["artifact"]
        assert artifact["media_type"] == media_type


@pytest.fixture
def services(tmp_path, demo_gguf, database):
    environ = {"SESSIONS_URL": database, "SESSIONS_MASTER_KEY": "ab" * 32}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (Service(tmp_path / name, demo_gguf.parent, SHARED + ONE_AT_A_TIME, environ) for name in ("one", "two"))
    with one, two:
        yield one, two


def followed(http: httpx.Client, job_id: str, after: int = 0) -> list[tuple[int, str, dict]]:
    """The numbers, names and data of the events of a job, to its end."""
    with http.stream("GET", f"/generations/{job_id}/events", headers={"Last-Event-ID": str(after)}) as response:
        blocks = "\n".join(response.iter_lines()).split("\n\n")
    fields = [dict(line.split(": ", 1) for line in it.splitlines()) for it in blocks if "event: " in it]
    return [(int(it["id"]), it["event"], json.loads(it["data"])) for it in fields]


def test_a_job_is_followed_at_a_service_that_does_not_work_on_it(services):
    with (
        httpx.Client(base_url=f"{services[0].url}/v1", timeout=LIMIT_S) as one,
        httpx.Client(base_url=f"{services[1].url}/v1", timeout=LIMIT_S) as two,
    ):
        services[1].stop()
        body = {**LONG, "stream": True, "parameters": {"max_tokens": 40}}
        with one.stream("POST", "/generations/text", json=body) as begun:
            started = next(line for line in begun.iter_lines() if line.startswith("data: "))
        worked_on_here = json.loads(started.removeprefix("data: "))["generation_id"]
        services[1].start()
        events = followed(two, worked_on_here)
        numbers, names = [it[0] for it in events], [it[1] for it in events]
        assert numbers == list(range(1, len(numbers) + 1))
        assert (names[0], set(names[1:-1]), names[-1]) == ("started", {"delta"}, "completed")
        told = "".join(data["text"] for _, name, data in events if name == "delta")
        assert told == events[-1][2]["output"][0]["text"] != ""
        assert followed(two, worked_on_here, after=3) == events[3:]


def test_services_on_one_database_share_the_work_and_take_it_over(services):
    with (
        httpx.Client(base_url=f"{services[0].url}/v1", timeout=LIMIT_S) as one,
        httpx.Client(base_url=f"{services[1].url}/v1", timeout=LIMIT_S) as two,
    ):
        services[1].stop()
        stopped, running, waiting = queued(one, LONG), queued(one, LONG), queued(one, SHORT)
        until_begun(one, stopped)
        services[1].start()
        until_begun(two, running)  # the second one took it
        two.post(f"/generations/{stopped}/cancel")
        assert job(two, stopped, LIMIT_S)["status"] == "cancelled"
        services[1].kill()
        assert job(one, running, LIMIT_S)["error"]["code"] == "interrupted"
        assert job(one, waiting, LIMIT_S)["status"] == "completed"
