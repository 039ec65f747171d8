"""Models are registered, changed, loaded and removed over HTTP, and storage is looked at and cleaned up."""

import pytest

from pluggably.domain.model import Modality, ModelStatus
from pluggably.domain.storage import StoragePolicy
from tests.builders import a_model
from tests.integration.http.world import World, client_of


class Shelf:
    """A model folder: what is on it is what the files are."""

    def __init__(self):
        self.models_by_path = {
            f"/m/{name}": a_model(name, path=f"/m/{name}", size_bytes=10) for name in ("a", "b", "org/c")
        }

    async def models(self):
        return list(self.models_by_path.values())

    def match(self, model_id):
        return None


@pytest.fixture
def world():
    shelf = Shelf()
    world = World(models=shelf, policy=StoragePolicy(max_bytes=15))
    world.files.models = shelf.models_by_path
    return world


async def test_a_model_is_registered(http):
    made = await http.post("/v1/models", json={"path": "/m/a", "id": "mine/first", "aliases": ["x"], "default": True})
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/models/mine/first"
    shown = (await http.get("/v1/models/x")).json()
    assert (shown["id"], shown["origin"], shown["default"], shown["path"]) == ("mine/first", "registered", True, "/m/a")
    again = await http.post("/v1/models", json={"path": "/m/a"})
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"path": "/elsewhere"}, "/path"),
        ({"path": "/m/a", "colour": 1}, "/colour"),
        ({"path": "/m/a", "id": "a b"}, "/id"),
        ({"path": "/m/a", "parameters": {"temperature": 9}}, "/parameters/temperature"),
        ({"path": "/m/a", "modality": "image"}, "/modality"),
        ({"provider": "nobody", "model": "x"}, "/model"),
    ],
)
async def test_a_wrong_registration_is_refused_by_pointer(http, body, pointer):
    refused = await http.post("/v1/models", json=body)
    assert refused.status_code == 400
    assert refused.json()["errors"][0]["pointer"] == pointer


async def test_a_model_is_changed_and_only_what_is_named(http):
    await http.patch("/v1/models/a", json={"pinned": True, "name": "A"})
    changed = await http.patch("/v1/models/a", json={"parameters": {"temperature": 0.5}})
    shown = changed.json()
    assert (shown["pinned"], shown["name"], shown["parameters"]) == (True, "A", {"temperature": 0.5})
    assert changed.headers["etag"] == (await http.get("/v1/models/a")).headers["etag"]
    documented = (await http.get("/v1/models/a/parameters")).json()["properties"]
    assert documented["temperature"]["default"] == 0.5


async def test_presets_are_what_requests_without_parameters_mean(http, world):
    await http.patch("/v1/models/a", json={"parameters": {"max_tokens": 3, "stop": ["x"]}})
    await http.post("/v1/generations/text", json={"model": "a", "input": "x"})
    await http.post("/v1/generations/text", json={"model": "a", "input": "x", "parameters": {"max_tokens": 5}})
    asked = [request.parameters for request in world.generator.requests]
    assert [(it.max_tokens, it.stop) for it in asked] == [(3, ("x",)), (5, ("x",))]


async def test_an_entity_tag_saves_sending_again_what_is_known(http):
    for path in ("/v1/models", "/v1/models/org/c"):
        first = await http.get(path)
        again = await http.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
        await http.patch("/v1/models/org/c", json={"pinned": path == "/v1/models"})
        assert (await http.get(path, headers={"If-None-Match": first.headers["etag"]})).status_code == 200


async def test_a_change_can_insist_that_nobody_made_another_one(http):
    known = (await http.get("/v1/models/a")).headers["etag"]
    assert (await http.patch("/v1/models/a", json={"name": "x"}, headers={"If-Match": known})).status_code == 200
    stale = await http.patch("/v1/models/a", json={"name": "y"}, headers={"If-Match": known})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    assert (await http.patch("/v1/models/a", json={"name": "y"}, headers={"If-Match": "*"})).status_code == 200
    assert (await http.patch("/v1/models/a", json={}, headers={"If-Match": "x"})).status_code == 400


async def test_a_use_does_not_make_a_change_stale(http):
    known = (await http.get("/v1/models/a")).headers["etag"]
    await http.post("/v1/generations/text", json={"model": "a", "input": "x"})
    used = await http.get("/v1/models/a")
    assert used.json()["last_used_at"] is not None
    assert used.headers["etag"] != known
    assert (await http.patch("/v1/models/a", json={"name": "x"}, headers={"If-Match": known})).status_code == 200


async def test_a_model_is_deleted_with_its_files_only_if_that_is_said(http, world):
    refused = await http.delete("/v1/models/a")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/query/files")
    gone = await http.delete("/v1/models/a?files=true")
    assert gone.json() == {"id": "a", "object": "model", "deleted": True, "freed_bytes": 10}
    assert world.files.gone == ["a"]
    assert (await http.get("/v1/models/a")).status_code == 404


@pytest.mark.parametrize("name", ["a", "org/c", "org%2Fc"])
async def test_a_model_is_loaded_and_unloaded(http, world, name):
    assert (await http.post(f"/v1/models/{name}/load")).status_code == 200
    assert len(world.loader.loaded) == 1
    assert (await http.post(f"/v1/models/{name}/unload")).status_code == 200
    assert not world.loader.loaded
    world.loader.busy.add("a")
    world.loader.busy.add("org/c")
    busy = await http.post(f"/v1/models/{name}/unload")
    assert (busy.status_code, busy.json()["code"], busy.json()["retryable"]) == (409, "model_busy", True)


@pytest.mark.parametrize("path", ["none/load", "none/unload", "none", "a/dance"])
async def test_what_is_not_there_cannot_be_done(http, path):
    assert (await http.post(f"/v1/models/{path}")).status_code == 404


async def test_discovery_tells_what_came(http, world):
    assert len((await http.get("/v1/models")).json()["data"]) == 3
    world.files.models["/m/new"] = a_model("new", path="/m/new", modality=Modality.IMAGE)
    found = (await http.post("/v1/models/discover")).json()
    assert found == {"object": "model.discovery", "models": 4, "added": ["new"], "removed": []}


async def test_storage_is_shown_and_cleaned_up(http, world):
    shown = (await http.get("/v1/storage")).json()
    assert shown["models"] == {
        "used_bytes": 30,
        "partial_bytes": 0,
        "limit_bytes": 15,
        "reserved_bytes": 0,
        "reclaimable_bytes": 0,  # the runners of this world have everything loaded
        "count": 3,
        "retention_days": None,
    }
    assert shown["disk"]["total_bytes"] - shown["disk"]["free_bytes"] == 30
    assert shown["artifacts"]["count"] == 0
    cleaned = (await http.post("/v1/storage/cleanup", json={"dry_run": True})).json()
    assert (cleaned["plan"], cleaned["freed_bytes"], cleaned["lacking_bytes"]) == ([], 0, 15)
    unsaid = await http.post("/v1/storage/cleanup", json={})
    assert (unsaid.status_code, unsaid.json()["errors"][0]["pointer"]) == (400, "/dry_run")


async def test_a_cleanup_says_what_goes_and_why():
    class Idle:
        def status(self, model_id):
            return ModelStatus.AVAILABLE

    shelf = Shelf()
    world = World(models=shelf, policy=StoragePolicy(max_bytes=15))
    world.files.models = shelf.models_by_path
    world.services.catalog.runners = Idle()
    async with client_of(world.app()) as http:
        cleaned = (await http.post("/v1/storage/cleanup", json={"dry_run": False})).json()
    assert [(it["kind"], it["id"], it["size_bytes"], it["reason"]) for it in cleaned["plan"]] == [
        ("model", "a", 10, "max_bytes"),
        ("model", "b", 10, "max_bytes"),
    ]
    assert (cleaned["freed_bytes"], cleaned["dry_run"], world.files.gone) == (20, False, ["a", "b"])
