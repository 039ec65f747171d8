"""Downloads over HTTP, as `docs/api.md` says."""

import asyncio
import json

import pytest

from pluggably.adapters.downloads.budget import FreeDisk
from pluggably.adapters.memory.downloads import MemorySource
from tests.download_world import GGUF, SHELF, DownloadWorld
from tests.integration.http.world import World, client_of


class Slow(MemorySource):
    """A source that waits before it gives a file."""

    def __init__(self) -> None:
        super().__init__(SHELF)
        self.gate = asyncio.Event()

    def open(self, file, start, stop):
        return _Waiting(self.gate, super().open(file, start, stop))


class _Waiting:
    def __init__(self, gate, inner):
        self.gate, self.inner = gate, inner

    async def __aenter__(self):
        await self.gate.wait()
        return await self.inner.__aenter__()

    async def __aexit__(self, *error):
        return await self.inner.__aexit__(*error)


@pytest.fixture
def source():
    return Slow()


@pytest.fixture
async def http(tmp_path, source):
    downloads = DownloadWorld(tmp_path / "models", [source])
    async with downloads.working(), client_of(World(downloads=downloads).app()) as client:
        yield client


async def begin(http, **facts) -> dict:
    answer = await http.post("/v1/downloads", json={"source": "memory:tiny"} | facts)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/downloads/{answer.json()['id']}"
    return answer.json()


async def events(http, job, **headers) -> list[tuple[str, str, dict]]:
    """The events up to the end, as id, name and data."""
    answer = await http.get(f"/v1/downloads/{job['id']}/events", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = [block.split("\n") for block in answer.text.strip().split("\n\n") if block and not block.startswith(":")]
    return [
        (one.removeprefix("id: "), name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for one, name, data in blocks
    ]


async def test_a_download_begins_at_once_and_tells_everything_of_itself(http):
    job = await begin(http)
    assert job | {"id": "", "created_at": "", "updated_at": ""} == {
        "id": "",
        "object": "download",
        "source": "memory:tiny",
        "revision": None,
        "license": None,
        "status": "queued",
        "bytes_done": 0,
        "bytes_total": len(GGUF) + 2,
        "percent": 0.0,
        "rate_bytes_per_s": None,
        "eta_s": None,
        "files": job["files"],
        "model_id": None,
        "model_ids": [],
        "error": None,
        "created_at": "",
        "updated_at": "",
    }
    assert [(it["name"], it["bytes_total"], it["status"]) for it in job["files"]] == [
        ("tiny.gguf", len(GGUF), "pending"),
        ("config.json", 2, "pending"),
    ]
    assert "address" not in job["files"][0]


async def test_it_is_followed_to_its_end_each_change_once(http, source):
    job = await begin(http)
    following = asyncio.create_task(events(http, job))
    source.gate.set()
    seen = await following
    ids = [int(one) for one, _, _ in seen]
    assert ids == sorted(set(ids))
    assert [name for _, name, _ in seen[:-1]] == ["progress"] * (len(seen) - 1)
    (_, name, data) = seen[-1]
    assert (name, data["status"], data["percent"], data["model_id"]) == ("completed", "completed", 100.0, "tiny")
    again = await events(http, job, **{"Last-Event-ID": str(ids[-1] - 1)})
    assert [it[1] for it in again] == ["completed"]


async def test_pause_resume_and_cancel_do_what_they_say(http):
    job = await begin(http)
    path = f"/v1/downloads/{job['id']}"
    for verb, status in (("pause", "paused"), ("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        answer = await http.post(f"{path}/{verb}")
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    refused = await http.post(f"{path}/resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "download_state_conflict")
    assert [it[1] for it in await events(http, job)] == ["cancelled"]
    assert (await http.delete(path)).status_code == 204
    assert (await http.get(path)).status_code == 404


async def test_the_list_comes_in_pages_the_newest_first(http):
    jobs = []
    for include in (["*.json"], ["*.gguf"], ["*"]):
        jobs.append((await begin(http, include=include))["id"])
    first = (await http.get("/v1/downloads", params={"limit": 2})).json()
    assert [it["id"] for it in first["data"]] == [jobs[2], jobs[1]]
    second = (await http.get("/v1/downloads", params={"limit": 2, "after": first["next_after"]})).json()
    assert ([it["id"] for it in second["data"]], second["has_more"]) == ([jobs[0]], False)


async def test_the_same_is_one_download(http):
    assert (await begin(http))["id"] == (await begin(http))["id"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/source"),
        ({"source": "ftp://a"}, "/source"),
        ({"source": "memory:tiny", "sha256": {"tiny.gguf": "abc"}}, "/sha256/tiny.gguf"),
        ({"source": "memory:tiny", "sha256": {"other": "0" * 64}}, "/sha256"),
        ({"source": "memory:tiny", "model": {"id": "../x"}}, "/model/id"),
        ({"source": "memory:tiny", "model": {"modality": "smell"}}, "/model/modality"),
        ({"source": "memory:tiny", "files": []}, "/files"),
    ],
)
async def test_what_is_wrong_is_said_where_it_is(http, body, pointer):
    answer = await http.post("/v1/downloads", json=body)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, pointer)


async def test_what_does_not_fit_is_507(tmp_path):
    downloads = DownloadWorld(tmp_path / "models", budget=FreeDisk(tmp_path, 2**60))
    async with downloads.working(), client_of(World(downloads=downloads).app()) as http:
        answer = await http.post("/v1/downloads", json={"source": "memory:tiny"})
    assert (answer.status_code, answer.json()["code"]) == (507, "insufficient_storage")
    assert list(tmp_path.rglob("*")) == []


async def test_a_signature_in_a_url_is_shown_to_nobody(http, source):
    source.shelf = {"tiny?X-Signature=abc": SHELF["tiny"]}
    job = await begin(http, source="memory:tiny?X-Signature=abc")
    assert "abc" not in (await http.get(f"/v1/downloads/{job['id']}")).text


async def test_an_id_that_is_none_is_404(http):
    for method, path in (("GET", ""), ("GET", "/events"), ("POST", "/pause"), ("DELETE", "")):
        assert (await http.request(method, f"/v1/downloads/dl_none{path}")).status_code == 404
