"""Pictures and meshes over HTTP: the same envelope, the same sessions, and files that come inside or by URL."""

import base64
import hashlib

import pytest

from pluggably.domain.errors import RunnerCrashed
from tests.artifact_world import PNG

from .studio import Studio
from .world import client_of, events_of

IMAGE, MESH, TEXT = (f"/v1/generations/{name}" for name in ("image", "3d", "text"))


@pytest.fixture
async def studio(tmp_path):
    studio = Studio(tmp_path)
    yield studio
    await studio.kept.close()


@pytest.fixture
async def http(studio):
    async with client_of(studio.app()) as client:
        yield client


async def made(http, url: str, said, **fields) -> dict:
    answer = await http.post(url, json={"input": said, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def opened(http) -> str:
    return (await http.post("/v1/sessions", json={})).json()["id"]


def shown(*parts: dict) -> list[dict]:
    return [{"role": "user", "content": [*parts]}]


# ── How files come ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_picture_comes_inside_the_answer_with_what_is_known_of_it(http):
    answer = await made(
        http, IMAGE, "A red circle", delivery="inline", parameters={"width": 16, "height": 8, "seed": 3}
    )
    (picture,) = answer["output"]
    content = base64.b64decode(picture["data"])
    assert (picture["type"], picture["media_type"], picture["width"], picture["height"]) == (
        "inline",
        "image/png",
        16,
        8,
    )
    assert picture["sha256"] == hashlib.sha256(content).hexdigest()
    assert len(content) == picture["size_bytes"]
    assert (answer["modality"], answer["seed"], answer["usage"]["source"]) == ("image", 3, "runner")


async def test_a_picture_comes_by_a_url_that_needs_no_credentials(http):
    answer = await made(http, IMAGE, "A red circle", delivery="url")
    artifact = answer["output"][0]["artifact"]
    assert artifact["url"].startswith(str(http.base_url))
    content = await http.get(artifact["url"])
    assert hashlib.sha256(content.content).hexdigest() == artifact["sha256"]
    assert content.headers["content-type"] == "image/png"
    assert content.headers["x-content-type-options"] == "nosniff"


async def test_several_pictures_are_several_files(http):
    answer = await made(http, IMAGE, "A red circle", parameters={"n": 3})
    assert len(answer["output"]) == 3


async def test_a_mesh_tells_its_size_and_its_bounds(http):
    answer = await made(http, MESH, "A cone", model="caster", delivery="inline")
    (mesh,) = answer["output"]
    assert (mesh["media_type"], mesh["vertices"], mesh["faces"]) == ("model/gltf-binary", 4, 4)
    assert base64.b64decode(mesh["data"]).startswith(b"glTF")
    assert len(mesh["bounds"]) == 2


async def test_a_stream_tells_how_far_it_is_with_previews_if_they_are_wanted(http):
    body = {"input": "A red circle", "stream": True, "parameters": {"steps": 4, "preview_every": 2}}
    events = events_of((await http.post(IMAGE, json=body)).text)
    assert [name for name, _ in events] == ["started", *["progress"] * 4, "completed"]
    assert [(it["step"], it["steps"], "preview" in it) for _, it in events[1:5]] == [
        (1, 4, False),
        (2, 4, True),
        (3, 4, False),
        (4, 4, True),
    ]
    assert base64.b64decode(events[2][1]["preview"]["data"]).startswith(b"\x89PNG")
    assert events[-1][1]["output"][0]["artifact"]["media_type"] == "image/png"


async def test_what_was_made_leaves_nothing_in_the_workspace(http, studio):
    await made(http, IMAGE, "A red circle")
    studio.studio.failure, studio.studio.fails_after = RunnerCrashed(), 2
    assert (await http.post(IMAGE, json={"input": "A red circle"})).status_code == 502
    assert studio.kept.left_in_work() == []


# ── Sessions across modalities ────────────────────────────────────────────────────────────────────────────────────


async def test_a_circle_becomes_a_mesh_and_both_are_told_of_in_words(http, studio):
    session_id = await opened(http)
    circle = await made(http, IMAGE, "A red circle", session_id=session_id, delivery="inline")
    mesh = await made(http, MESH, "Make it 3D", session_id=session_id)
    request = studio.studio.requests[-1]
    assert mesh["model"]["id"] == "sculptor"  # it is the one that begins with a picture
    assert [(it.media_type, it.use) for it in request.files] == [("image/png", "image")]
    told = await made(http, TEXT, "What did we make?", session_id=session_id, model="tiny")
    assert told["output"][0]["text"] == (
        "A red circle / [A picture was made here: image/png] / "
        "Make it 3D / [A 3D model was made here: model/gltf-binary] / What did we make?"
    )
    turns = (await http.get(f"/v1/sessions/{session_id}/turns")).json()["data"]
    assert [turn["modality"] for turn in turns] == ["image", "3d", "text"]
    assert turns[0]["output"][0]["artifact_id"] == circle["output"][0]["artifact_id"]
    assert (await http.get(f"/v1/sessions/{session_id}")).json()["modalities"] == ["image", "3d", "text"]


async def test_a_model_that_sees_is_shown_what_was_made(http, studio):
    session_id = await opened(http)
    await made(http, IMAGE, "A red circle", session_id=session_id)
    await made(http, TEXT, "What is it?", session_id=session_id, model="seeing")
    (_, picture, _) = studio.generator.requests[-1].messages
    assert picture.parts[0].url.startswith("data:image/png;base64,")


async def test_a_picture_is_changed_by_what_is_said_of_it(http, studio):
    session_id = await opened(http)
    await made(http, IMAGE, "A red circle", session_id=session_id)
    await made(http, IMAGE, "Make it blue", session_id=session_id, parameters={"strength": 0.5})
    assert len(studio.studio.requests[-1].files) == 1
    await made(http, IMAGE, "A green square", session_id=session_id)
    assert studio.studio.requests[-1].files == ()


async def test_pictures_are_shown_by_their_data_by_their_artifact_and_as_masks(http, studio):
    data = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    uploaded = (await http.post("/v1/artifacts", content=PNG, headers={"content-type": "image/png"})).json()
    said = shown(
        {"type": "text", "text": "A hat"},
        {"type": "image", "url": data},
        {"type": "artifact", "artifact_id": uploaded["id"], "use": "mask"},
    )
    session_id = await opened(http)
    await made(http, IMAGE, said, session_id=session_id)
    assert [it.use for it in studio.studio.requests[-1].files] == ["image", "mask"]
    (turn,) = (await http.get(f"/v1/sessions/{session_id}/turns")).json()["data"]
    parts = turn["messages"][0]["content"]
    assert [part["type"] for part in parts] == ["text", "artifact", "artifact"]  # the data is kept, not repeated
    assert parts[2]["artifact_id"] == uploaded["id"]


async def test_erasing_a_session_takes_its_files(http, studio):
    session_id = await opened(http)
    answer = await made(http, IMAGE, "A red circle", session_id=session_id, delivery="url")
    artifact = answer["output"][0]["artifact"]
    receipt = (await http.delete(f"/v1/sessions/{session_id}")).json()
    assert (receipt["artifacts"], receipt["artifacts_left"]) == (1, 0)
    assert (await http.get(artifact["url"])).status_code == 404
    assert (await http.get(f"/v1/artifacts/{artifact['id']}")).status_code == 404


async def test_a_request_that_is_sent_again_is_given_the_same_files(http, studio):
    session_id = await opened(http)
    body = {"input": "A red circle", "session_id": session_id, "delivery": "inline"}
    first, again = [(await http.post(IMAGE, json=body, headers={"Idempotency-Key": "k"})).json() for _ in range(2)]
    assert again["output"] == first["output"]
    assert len(studio.studio.requests) == 1


# ── What cannot be done ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("url", "body", "status", "code"),
    [
        (IMAGE, {"input": "x", "parameters": {"target_faces": 100}}, 400, "invalid_request"),
        (IMAGE, {"input": "x", "model": "caster"}, 400, "model_modality_mismatch"),
        (MESH, {"input": "x", "model": "sculptor"}, 400, "invalid_request"),
        (MESH, {"input": "x", "model": "caster", "parameters": {"format": "obj"}}, 400, "invalid_request"),
        (IMAGE, {"input": ""}, 400, "invalid_request"),
        (IMAGE, {"input": shown({"type": "artifact", "artifact_id": "art_none"})}, 404, "not_found"),
        (IMAGE, {"input": shown({"type": "image", "url": "http://169.254.169.254/"})}, 400, "url_not_allowed"),
        (IMAGE, {"input": shown({"type": "image", "url": "data:image/png;base64,AAAA"})}, 400, "picture_invalid"),
    ],
)
async def test_what_cannot_be_made_is_refused_with_its_reason(http, url, body, status, code):
    answer = await http.post(url, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_turn_that_failed_is_not_shown_to_the_next_one(http, studio):
    session_id = await opened(http)
    studio.studio.failure = RunnerCrashed()
    assert (await http.post(IMAGE, json={"input": "A red circle", "session_id": session_id})).status_code == 502
    studio.studio.failure = None
    answer = await http.post(MESH, json={"input": "Make it 3D", "session_id": session_id, "model": "sculptor"})
    assert answer.json()["code"] == "invalid_request"


# ── OpenAI's route ────────────────────────────────────────────────────────────────────────────────────────────────

OPENAI = "/v1/images/generations"


async def test_openais_route_gives_urls_or_base64(http):
    by_url = (await http.post(OPENAI, json={"prompt": "A red circle", "n": 2, "size": "16x16"})).json()
    assert len(by_url["data"]) == 2
    assert by_url["data"][0]["url"].startswith(str(http.base_url))  # a client of OpenAI's has nothing to add
    assert (await http.get(by_url["data"][0]["url"])).status_code == 200
    body = {"prompt": "A red circle", "response_format": "b64_json", "size": "16x8", "seed": 1, "quality": "auto"}
    by_data = (await http.post(OPENAI, json=body)).json()
    assert base64.b64decode(by_data["data"][0]["b64_json"]).startswith(b"\x89PNG")
    assert by_data["usage"]["total_tokens"] == 3


async def test_openais_stream_has_as_many_partial_images_as_were_asked_for(http):
    body = {"prompt": "A red circle", "stream": True, "partial_images": 2, "steps": 9}
    events = events_of((await http.post(OPENAI, json=body)).text)
    assert [name for name, _ in events] == [*["image_generation.partial_image"] * 2, "image_generation.completed"]
    assert [it["partial_image_index"] for _, it in events[:2]] == [0, 1]
    assert base64.b64decode(events[-1][1]["b64_json"]).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("field", "value"), [("size", "big"), ("quality", "hd"), ("background", "transparent"), ("n", 0), ("prompt", 7)]
)
async def test_what_openais_route_cannot_carry_is_refused_by_name(http, field, value):
    answer = await http.post(OPENAI, json={"prompt": "A red circle"} | {field: value})
    assert answer.status_code == 400
    assert field in answer.json()["error"]["message"]
