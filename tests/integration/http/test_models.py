"""The catalog over HTTP."""

from base64 import b64encode

import pytest

from pluggably.entrypoints.http.model_objects import model_object
from tests.artifact_world import PNG
from tests.builders import a_model

from .studio import Studio
from .world import client_of


async def test_models_have_openais_fields_and_ours(http):
    listed = (await http.get("/v1/models")).json()
    assert (listed["object"], listed["has_more"]) == ("list", False)
    assert [it["id"] for it in listed["data"]] == ["tiny", "acme/large", "painter"]
    tiny = listed["data"][0]
    assert (tiny["object"], tiny["owned_by"], tiny["created"]) == ("model", "local", 0)
    assert (tiny["default"], tiny["aliases"], tiny["status"]) == (True, ["small"], "loaded")
    assert tiny["path"] == "/secret/tiny.gguf"  # to the operator, who everybody is without credentials


def test_where_files_are_is_shown_to_operators_only():
    assert "path" not in model_object(a_model(path="/secret/tiny.gguf"), default=False)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("modality=image", ["painter"]),
        ("provider=acme", ["acme/large"]),
        ("capability=tools", ["tiny"]),
        ("status=available", ["acme/large"]),
        ("q=LARGE", ["acme/large"]),
        ("q=x&modality=text", []),
    ],
)
async def test_the_list_can_be_narrowed(http, query, ids):
    assert [it["id"] for it in (await http.get(f"/v1/models?{query}")).json()["data"]] == ids


async def test_a_wrong_filter_is_refused_with_what_is_allowed(http):
    refused = (await http.get("/v1/models?modality=smell&sort=name")).json()["errors"]
    assert {it["pointer"] for it in refused} == {"/query/modality", "/query/sort"}
    assert "image" in next(it for it in refused if it["pointer"] == "/query/modality")["allowed"]


@pytest.mark.parametrize("path", ["tiny", "small", "acme/large", "acme%2Flarge"])
async def test_a_model_is_found_by_id_and_alias_with_slashes_too(http, path):
    assert (await http.get(f"/v1/models/{path}")).json()["id"] in ("tiny", "acme/large")


@pytest.mark.parametrize("path", ["none", "acme/none", "none/parameters"])
async def test_a_model_that_is_not_there_is_not_found(http, path):
    missing = await http.get(f"/v1/models/{path}")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_the_parameters_of_a_model_are_those_it_honours(http):
    assert set((await http.get("/v1/models/acme/large/parameters")).json()["properties"]) == {"max_tokens"}
    assert (await http.get("/v1/models/tiny/parameters")).json()["title"] == "Parameters of tiny"


SAID = {
    "text": "x",
    "3d": "x",
    "image": [  # with a picture, as `strength` is for what is to be changed
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "x"},
                {"type": "image", "url": f"data:image/png;base64,{b64encode(PNG).decode()}"},
            ],
        }
    ],
}


@pytest.mark.parametrize("modality", ["text", "image", "3d"])
async def test_every_documented_bound_is_accepted_and_one_step_past_it_refused(tmp_path, modality):
    studio = Studio(tmp_path)
    model = {"text": "tiny", "image": "painter", "3d": "caster"}[modality]
    async with client_of(studio.app()) as http:

        async def status(name: str, value: float) -> int:
            body = {"model": model, "input": SAID[modality], "parameters": {name: value}}
            return (await http.post(f"/v1/generations/{modality}", json=body)).status_code

        documented = (await http.get(f"/v1/models/{model}/parameters")).json()["properties"]
        for name, schema in documented.items():
            if "minimum" in schema:
                step = 1 if schema["type"] == "integer" else 1e-9
                for bound, beyond in ((schema["minimum"], -step), (schema["maximum"], step)):
                    assert (name, bound, await status(name, bound)) == (name, bound, 200)
                    assert (name, bound, await status(name, bound + beyond)) == (name, bound, 400)
    await studio.kept.close()


async def test_how_to_choose_a_model_is_told_with_the_parameters(http):
    told = (await http.get("/v1/parameters?modality=text")).json()["x-model-selection"]
    assert (told["default"], [it["id"] for it in told["models"]]) == ("tiny", ["tiny", "acme/large"])
    assert "temperature" in told["models"][1]["lacks"]
    assert any("context_length" in it for it in told["guidance"])
    own = (await http.get("/v1/models/acme/large/parameters")).json()["x-model-selection"]
    assert [it["id"] for it in own["models"]] == ["acme/large"]


async def test_every_modality_has_parameters_and_no_other_one_has(http):
    for modality, name in (("text", "max_tokens"), ("image", "width"), ("3d", "target_faces")):
        assert name in (await http.get(f"/v1/parameters?modality={modality}")).text
    assert (await http.get("/v1/parameters?modality=smell")).status_code == 400
    assert (await http.get("/v1/parameters")).json()["errors"][0]["pointer"] == "/query/modality"


@pytest.mark.parametrize(
    ("path", "allow"),
    [("tiny", "DELETE, GET, PATCH"), ("tiny/parameters", "GET"), ("acme/large/load", "POST"), ("discover", "POST")],
)
async def test_a_path_says_which_methods_it_has(http, path, allow):
    said = await http.options(f"/v1/models/{path}")
    assert (said.status_code, said.headers["allow"]) == (200, allow)


async def test_a_model_cannot_be_posted_to(http):
    refused = await http.post("/v1/models/tiny", json={})
    assert (refused.status_code, refused.headers["allow"]) == (405, "DELETE, GET, PATCH")
