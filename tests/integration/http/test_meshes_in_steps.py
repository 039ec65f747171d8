"""A mesh in two steps over HTTP, by a service of tasks: a preview, and its texture by the preview's state token."""

import base64

import pytest

from tests.artifact_world import ArtifactWorld
from tests.integration.providers.meshy_stub import MeshyStub, meshy
from tests.integration.providers.tripo_stub import TripoStub, tripo
from tests.meshes import glb

from .world import World, client_of, events_of

URL = "/v1/generations/3d"


@pytest.fixture
async def files(tmp_path):
    kept = ArtifactWorld(tmp_path)
    yield kept
    await kept.close()


async def made(http, said: str, **fields) -> dict:
    answer = await http.post(URL, json={"input": said, "delivery": "inline", **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_preview_is_textured_by_its_state_token_and_forgotten_with_its_session(files, tmp_path):
    stub = MeshyStub()
    async with meshy(stub, name="studio", models=["meshy-7"]) as (provider, server):
        world = World(keys=tmp_path, artifacts=files, models=provider, studio=provider)
        async with client_of(world.app()) as http:
            session = (await http.post("/v1/sessions", json={})).json()["id"]
            preview = await made(http, "A chair", model="studio/meshy-7", session_id=session)
            (mesh,) = preview["output"]
            assert base64.b64decode(mesh["data"]) == glb()
            assert (mesh["media_type"], mesh["faces"]) == ("model/gltf-binary", 12)
            textured = await made(http, "Worn oak", state_token=preview["state_token"])
            assert textured["session"]["turn"] == 2
            receipt = (await http.delete(f"/v1/sessions/{session}")).json()
    bodies = [call.body for call in server.calls if call.body]
    assert [body["mode"] for body in bodies] == ["preview", "refine"]
    assert bodies[1]["texture_prompt"] == "Worn oak"
    assert stub.deleted == [bodies[1]["preview_task_id"]]
    assert (receipt["backend_states"], receipt["backend_states_left"]) == (1, 0)


async def test_what_a_service_cannot_forget_is_said_in_the_receipt(files, tmp_path):
    async with tripo(TripoStub(), name="studio", models=["v3.1-20260211"]) as (provider, _):
        world = World(keys=tmp_path, artifacts=files, models=provider, studio=provider)
        async with client_of(world.app()) as http:
            session = (await http.post("/v1/sessions", json={})).json()["id"]
            await made(http, "A chair", session_id=session)
            receipt = (await http.delete(f"/v1/sessions/{session}")).json()
    assert (receipt["backend_states"], receipt["backend_states_left"]) == (0, 1)


async def test_progress_is_told_while_the_service_works_and_a_parameter_it_lacks_is_refused(files, tmp_path):
    async with meshy(MeshyStub(), name="studio", models=["meshy-7"]) as (provider, server):
        world = World(keys=tmp_path, artifacts=files, models=provider, studio=provider)
        async with client_of(world.app()) as http:
            refused = await http.post(URL, json={"input": "A chair", "parameters": {"seed": 3}})
            assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/parameters/seed")
            assert server.calls == []
            stream = await http.post(URL, json={"input": "A chair", "stream": True})
    events = events_of(stream.text)
    assert [data["step"] for name, data in events if name == "progress"] == [10, 35, 60, 99, 100]
    assert events[-1][0] == "completed"
