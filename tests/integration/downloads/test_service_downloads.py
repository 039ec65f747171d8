"""What a download asks of the rest of the service: a name in the catalog, and room on the disk."""

import asyncio

import httpx
import pytest

from tests.download_builders import long_ago
from tests.file_server import Served, serving
from tests.integration.service import Service
from tests.unit.catalog.gguf_file import a_gguf

MODEL = a_gguf((("token_embd.weight", (256, 1024), 0, 2**20),))
ROOM = int(3.5 * len(MODEL))
"""For three models and their notes."""


@pytest.fixture
async def served(tmp_path):
    """A service with little room, a client of it, and the server that it fetches from."""
    (tmp_path / "models").mkdir()
    async with serving(model__gguf=Served(MODEL), huge__gguf=Served(MODEL * 3)) as server:
        settings = (
            f'[storage]\nmax_bytes = {ROOM}\n[downloads]\nmin_free_bytes = 0\nprivate_origins = ["{server.origin}"]'
        )
        service = Service(tmp_path, tmp_path / "models", settings)
        await asyncio.to_thread(service.start)
        try:
            async with httpx.AsyncClient(base_url=f"{service.url}/v1", timeout=20) as http:
                yield http, server, tmp_path / "models"
        finally:
            await asyncio.to_thread(service.stop)


async def ended(http, source: str, **facts) -> dict:
    """The download of a source, once it has ended."""
    answer = await http.post("/downloads", json={"source": source} | facts)
    assert answer.status_code == 202, answer.text
    async with asyncio.timeout(20), http.stream("GET", f"/downloads/{answer.json()['id']}/events") as events:
        await events.aread()
    return (await http.get(f"/downloads/{answer.json()['id']}")).json()


async def ids(http) -> list[str]:
    """The models in the folder."""
    models = (await http.get("/models", params={"provider": "local"})).json()["data"]
    return sorted(it["id"] for it in models if not it["id"].startswith("tiny-"))


async def test_a_model_is_registered_under_the_id_and_name_that_were_asked_for(served):
    http, server, _ = served
    wanted = {"id": "mine", "name": "My own model"}
    job = await ended(http, f"{server.origin}/model.gguf", model=wanted)
    assert (job["status"], job["model_ids"]) == ("completed", ["mine"])
    model = (await http.get("/models/mine")).json()
    assert (model["id"], model["name"], model["status"]) == ("mine", "My own model", "available")
    assert await ids(http) == ["mine"]


async def test_asking_again_for_a_model_that_is_registered_is_the_same_model_by_its_new_name(served):
    http, server, _ = served
    for name in ("First", "Second"):
        job = await ended(http, f"{server.origin}/model.gguf", model={"id": "mine", "name": name})
        assert (job["status"], job["model_ids"]) == ("completed", ["mine"]), job["error"]
        assert (await http.get("/models/mine")).json()["name"] == name


async def test_an_id_that_another_model_has_is_refused_before_anything_is_fetched(served):
    http, server, folder = served
    (folder / "other.gguf").write_bytes(MODEL)
    assert (await http.post("/models", json={"id": "mine", "path": "other.gguf"})).status_code == 201
    refused = await http.post("/downloads", json={"source": f"{server.origin}/model.gguf", "model": {"id": "mine"}})
    assert (refused.status_code, refused.json()["code"]) == (409, "name_taken")
    assert server.sent_bytes < len(MODEL)
    assert await ids(http) == ["mine"]


async def test_the_least_recently_used_model_that_is_not_pinned_makes_room(served):
    http, server, folder = served
    for name in ("pinned", "older", "newer"):
        (folder / f"{name}.gguf").write_bytes(MODEL)
    assert (await http.patch("/models/pinned", json={"pinned": True})).status_code == 200
    job = await ended(http, f"{server.origin}/model.gguf")
    assert job["status"] == "completed", job["error"]
    assert await ids(http) == ["model", "newer", "pinned"]
    assert not (folder / "older.gguf").exists()


async def test_a_download_that_no_room_can_be_made_for_is_507_and_costs_no_model(served):
    http, server, folder = served
    for name in ("pinned", "other"):
        (folder / f"{name}.gguf").write_bytes(MODEL)
    assert (await http.patch("/models/pinned", json={"pinned": True})).status_code == 200
    answer = await http.post("/downloads", json={"source": f"{server.origin}/huge.gguf"})
    assert (answer.status_code, answer.json()["code"]) == (507, "insufficient_storage")
    assert await ids(http) == ["other", "pinned"]
    assert (await http.get("/downloads")).json()["data"] == []


def test_partial_files_that_no_download_has_wanted_for_a_week_are_gone_after_a_start(tmp_path):
    hidden = tmp_path / "models/.downloads"
    old, new = long_ago(hidden / "old"), hidden / "new"
    new.mkdir()
    with Service(tmp_path, tmp_path / "models"):
        assert (old.exists(), new.exists()) == (False, True)
