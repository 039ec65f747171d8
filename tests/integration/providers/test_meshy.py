"""What the `meshy` provider asks for, and what it makes of the answers."""

import asyncio
from base64 import b64encode
from contextlib import aclosing

import pytest
from attrs import evolve

from pluggably.adapters.artifacts.egress import GuardedEgress
from pluggably.domain import errors
from pluggably.domain.generation import BackendState, Completed, Progress, Started

from ...meshes import glb, obj
from .meshy_stub import MeshyStub, meshy
from .openai_server import openai_server
from .solids import SECRET, a_picture, asked_of, content_of, error_of, events_of
from .task_stub import give


def bodies(server) -> list[dict]:
    return [call.body for call in server.calls if call.head.startswith("POST")]


# ── Asking ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_words_become_a_preview(tmp_path):
    async with meshy(MeshyStub()) as (provider, server):
        events = await events_of(provider, asked_of(provider, tmp_path, model="meshy-7"))
    assert bodies(server) == [
        {"mode": "preview", "prompt": "A red chair", "ai_model": "meshy-7", "target_formats": ["glb"]}
    ]
    assert "authorization: bearer msy_secret" in server.calls[0].head.lower()
    assert [event.step for event in events[1:-1]] == [10, 35, 60, 99, 100]
    assert content_of(events[-1].files[0]) == glb()
    assert events[-1].state.kind == "meshy.task"


async def test_its_state_is_gone_on_from_by_a_refinement(tmp_path):
    stub = MeshyStub()
    async with meshy(stub) as (provider, server):
        preview = (await events_of(provider, asked_of(provider, tmp_path, model="meshy-7")))[-1]
        (tmp_path / "0").unlink()
        wanted = asked_of(provider, tmp_path, model="meshy-7", words="Worn oak", state=preview.state, texture=True)
        refined = (await events_of(provider, wanted))[-1]
    first, _ = stub.looks
    assert bodies(server)[1] == {
        "mode": "refine",
        "preview_task_id": first,
        "texture_prompt": "Worn oak",
        "ai_model": "meshy-7",
        "target_formats": ["glb"],
    }
    assert isinstance(refined, Completed)
    assert refined.state is None


@pytest.mark.parametrize(
    ("model", "faces", "sent"),
    [
        ("meshy-6", 5000, {"should_remesh": True, "topology": "triangle", "target_polycount": 5000}),
        ("meshy-t2", 400, {"model_type": "smart-topology", "target_polycount": 400}),
    ],
)
async def test_a_number_of_faces_is_asked_for(tmp_path, model, faces, sent):
    async with meshy(MeshyStub()) as (provider, server):
        await events_of(provider, asked_of(provider, tmp_path, model=model, target_faces=faces))
    common = {"mode": "preview", "prompt": "A red chair", "ai_model": model, "target_formats": ["glb"]}
    assert bodies(server) == [common | sent]


async def test_a_picture_becomes_a_mesh_at_once(tmp_path):
    picture = a_picture(tmp_path)
    async with meshy(MeshyStub()) as (provider, server):
        wanted = asked_of(provider, tmp_path, picture, model="meshy-7", texture=False)
        completed = (await events_of(provider, wanted))[-1]
    content = b64encode(content_of(picture)).decode()
    assert bodies(server) == [
        {
            "image_url": f"data:image/png;base64,{content}",
            "should_texture": False,
            "ai_model": "meshy-7",
            "target_formats": ["glb"],
        }
    ]
    assert server.calls[0].path == "/openapi/v1/image-to-3d"
    assert server.calls[1].path.startswith("/openapi/v1/image-to-3d/")
    assert completed.state is None


async def test_an_obj_file_is_given_if_that_is_wanted(tmp_path):
    async with meshy(MeshyStub()) as (provider, server):
        file = (await events_of(provider, asked_of(provider, tmp_path, model="meshy-7", format="obj")))[-1].files[0]
    assert bodies(server)[0]["target_formats"] == ["obj"]
    assert (file.media_type, content_of(file)) == ("model/obj", obj())


STATE = BackendState(kind="meshy.task", value="text-to-3d/018a-1")


@pytest.mark.parametrize(
    ("pointer", "wanted"),
    [
        ("/parameters/format", {"format": "ply"}),
        ("/parameters/texture", {"texture": True}),
        ("/parameters/target_faces", {"target_faces": 99}),
        ("/parameters/target_faces", {"target_faces": 300_001}),
        ("/parameters/target_faces", {"model": "meshy-t2", "target_faces": 15_001}),
        ("/input", {"words": "a" * 601}),
        ("/input", {"words": ""}),
        ("/parameters/target_faces", {"state": STATE, "target_faces": 500}),
        ("/parameters/texture", {"state": STATE, "texture": False}),
        ("/input", {"state": STATE, "words": ""}),
    ],
)
async def test_what_meshy_does_not_make_is_refused_and_not_dropped(tmp_path, pointer, wanted):
    async with meshy(MeshyStub()) as (provider, server):
        with pytest.raises(errors.InvalidRequest) as raised:
            await events_of(provider, asked_of(provider, tmp_path, **({"model": "meshy-7"} | wanted)))
    assert [it.pointer for it in raised.value.violations] == [pointer]
    assert server.calls == []


@pytest.mark.parametrize("state", [None, STATE])
async def test_pictures_that_it_does_not_take_are_refused(tmp_path, state):
    picture, other = a_picture(tmp_path, "WEBP"), a_picture(tmp_path)
    for files in ([picture], [other, other], [evolve(other, use="mask")], *([[other]] if state else [])):
        async with meshy(MeshyStub()) as (provider, server):
            await error_of(provider, asked_of(provider, tmp_path, *files, model="meshy-7", state=state))
        assert server.calls == []


# ── Leaving ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def leave_amid(provider, request):
    async with aclosing(provider.generate(request)) as events:
        async for event in events:
            if isinstance(event, Progress):
                return


async def test_a_task_that_nobody_waits_for_any_more_is_deleted(tmp_path):
    stub = MeshyStub(percents=(10,) * 9_999)
    async with meshy(stub) as (provider, _):
        await leave_amid(provider, asked_of(provider, tmp_path, model="meshy-7"))
        await stub.forgotten.wait()
    assert len(stub.deleted) == 1


async def test_a_request_that_is_cancelled_amid_polling_is_over_at_once_and_its_task_deleted(tmp_path):
    stub = MeshyStub(percents=(10,) * 9_999)
    async with meshy(stub) as (provider, _):
        waiting = asyncio.create_task(events_of(provider, asked_of(provider, tmp_path, model="meshy-7")))
        await stub.looked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await stub.forgotten.wait()
    assert len(stub.deleted) == 1


async def test_a_request_that_is_cancelled_while_its_task_is_submitted_has_it_deleted(tmp_path):
    stub, submitted, may_answer = MeshyStub(), asyncio.Event(), asyncio.Event()

    async def answer(call):
        submitted.set()
        await may_answer.wait()
        await stub.answer(call)

    async with meshy(MeshyStub(), answer) as (provider, _):
        waiting = asyncio.create_task(events_of(provider, asked_of(provider, tmp_path, model="meshy-7")))
        await submitted.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        may_answer.set()
        await stub.forgotten.wait()
    assert len(stub.deleted) == 1


async def test_closing_the_provider_waits_until_the_service_has_heard(tmp_path):
    stub = MeshyStub(percents=(10,) * 9_999)
    async with meshy(stub) as (provider, _):
        await leave_amid(provider, asked_of(provider, tmp_path, model="meshy-7"))
    assert len(stub.deleted) == 1


async def test_a_task_that_is_done_is_kept_to_be_gone_on_from(tmp_path):
    stub = MeshyStub()
    async with meshy(stub) as (provider, _):
        await events_of(provider, asked_of(provider, tmp_path, model="meshy-7"))
    assert stub.deleted == []


async def test_a_state_that_is_to_be_forgotten_is_deleted_once(tmp_path):
    stub = MeshyStub()
    async with meshy(stub) as (provider, _):
        state = (await events_of(provider, asked_of(provider, tmp_path, model="meshy-7")))[-1].state
        await provider.forget(state)
        await provider.forget(state)
        (tmp_path / "0").unlink()
        raised = await error_of(provider, asked_of(provider, tmp_path, model="meshy-7", state=state))
    assert len(stub.deleted) == 1
    assert type(raised) is errors.StateTokenRefused


@pytest.mark.parametrize("value", ["text-to-3d/../balance", "image-to-3d/018a", "018a", "text-to-3d/a?b", ""])
async def test_a_state_cannot_name_another_path(tmp_path, value):
    state = BackendState(kind="meshy.task", value=value)
    async with meshy(MeshyStub()) as (provider, server):
        assert type(await error_of(provider, asked_of(provider, tmp_path, model="meshy-7", state=state))) is (
            errors.StateTokenRefused
        )
        with pytest.raises(errors.GatewayError):
            await provider.forget(state)
    assert server.calls == []


# ── Failing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def ending(status: str, message: str = SECRET) -> dict:
    return {"ends": {"status": status, "progress": 60, "task_error": {"message": message}}}


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        (ending("FAILED"), errors.ProviderError),
        (ending("FAILED", "The prompt was flagged by moderation"), errors.ContentPolicyViolation),
        (ending("CANCELED"), errors.ProviderUnavailable),
        (ending("EXPIRED"), errors.ProviderUnavailable),
        (ending("ASCENDED"), errors.ProviderBadResponse),
        ({"files": {"obj": obj()}}, errors.ProviderBadResponse),
        ({"files": {"glb": glb()[:-9]}}, errors.ProviderBadResponse),
        ({"files": {"glb": b"<html>Expired</html>"}}, errors.ProviderBadResponse),
        ({"files": {"glb": b""}}, errors.ProviderBadResponse),
        ({"refused": {0: 403, 1: 403}}, errors.ProviderBadResponse),
        ({"origin": "https://169.254.169.254"}, errors.ProviderBadResponse),
        ({"origin": "http://127.0.0.1:1"}, errors.ProviderBadResponse),
    ],
)
async def test_a_task_without_a_mesh(tmp_path, facts, error):
    egress = GuardedEgress()
    async with meshy(MeshyStub(**facts), egress=egress) as (provider, _):
        raised = await error_of(provider, asked_of(provider, tmp_path, model="meshy-7"))
    await egress.close()
    assert type(raised) is error


async def test_a_url_that_has_expired_is_asked_for_again_once(tmp_path):
    stub = MeshyStub(refused={0: 403})
    async with meshy(stub) as (provider, _):
        completed = (await events_of(provider, asked_of(provider, tmp_path, model="meshy-7")))[-1]
    assert content_of(completed.files[0]) == glb()
    assert list(stub.looks.values()) == [len(stub.percents) + 2]


async def test_a_mesh_on_another_server_is_fetched_by_the_egress_without_the_key(tmp_path):
    async def assets(call):
        await call.answer(glb(), media_type="model/gltf-binary")

    async with openai_server(assets) as elsewhere:
        origin = elsewhere.base_url.removesuffix("/v1")
        egress = GuardedEgress(private_origins=[origin])
        async with meshy(MeshyStub(origin=origin), egress=egress) as (provider, _):
            completed = (await events_of(provider, asked_of(provider, tmp_path, model="meshy-7")))[-1]
        await egress.close()
    assert content_of(completed.files[0]) == glb()
    assert len(elsewhere.calls) == 1
    assert "msy_secret" not in elsewhere.calls[0].head


async def test_without_an_egress_other_servers_are_not_asked(tmp_path):
    async with meshy(MeshyStub(origin="https://assets.example.com")) as (provider, _):
        raised = await error_of(provider, asked_of(provider, tmp_path, model="meshy-7"))
    assert "not its own" in str(raised)


async def test_a_task_that_stands_still_at_99_is_given_up_and_deleted(tmp_path):
    stub = MeshyStub(percents=(10,) + (99,) * 9_999)
    async with meshy(stub, stalled_s=0.05) as (provider, _):
        raised = await error_of(provider, asked_of(provider, tmp_path, model="meshy-7"))
    assert type(raised) is errors.ProviderTimeout
    assert len(stub.deleted) == 1


async def test_a_task_that_is_never_begun_is_given_up_and_deleted(tmp_path):
    stub = MeshyStub(percents=(0,) * 9_999)
    async with meshy(stub, task_timeout_s=0.05) as (provider, _):
        raised = await error_of(provider, asked_of(provider, tmp_path, model="meshy-7"))
    assert type(raised) is errors.ProviderTimeout
    assert len(stub.deleted) == 1


async def test_a_task_that_cannot_be_looked_at_is_given_up_and_deleted(tmp_path):
    stub = MeshyStub()

    async def answer(call):
        if call.head.startswith("GET"):
            await give(call, {"message": SECRET}, 503)
        else:
            await stub.answer(call)

    async with meshy(MeshyStub(), answer) as (provider, _):
        raised = await error_of(provider, asked_of(provider, tmp_path, model="meshy-7"))
    assert type(raised) is errors.ProviderUnavailable
    assert len(stub.deleted) == 1


async def test_a_task_that_is_gone_amid_polling_is_not_looked_for(tmp_path):
    stub = MeshyStub(percents=(10,) * 9_999)

    async def answer(call):
        if stub.looked.is_set():
            stub.looks.clear()
        await stub.answer(call)

    async with meshy(MeshyStub(), answer) as (provider, server):
        raised = await error_of(provider, asked_of(provider, tmp_path, model="meshy-7"))
    assert isinstance(raised, errors.ProviderBadResponse)
    assert not raised.retryable
    assert len(server.calls) == 1 + 3 + 1


async def test_looks_that_fail_for_a_while_do_not_lose_a_task(tmp_path):
    stub, failures = MeshyStub(), iter([503, 429, 502, 500])

    async def answer(call):
        if call.head.startswith("GET") and stub.looked.is_set() and (status := next(failures, None)):
            await give(call, {"message": SECRET}, status)
        else:
            await stub.answer(call)

    async with meshy(MeshyStub(), answer) as (provider, server):
        events = await events_of(provider, asked_of(provider, tmp_path, model="meshy-7"))
    assert isinstance(events[-1], Completed)
    assert len(bodies(server)) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, errors.InvalidRequest),
        (401, errors.ProviderAuthFailed),
        (402, errors.ProviderQuotaExhausted),
        (404, errors.ProviderBadResponse),
        (429, errors.ProviderRateLimited),
        (500, errors.ProviderError),
        (503, errors.ProviderUnavailable),
    ],
)
async def test_a_task_that_is_not_taken_is_asked_for_once(tmp_path, status, error):
    async def refuse(call):
        await give(call, {"message": SECRET}, status, Retry_After="7")

    async with meshy(MeshyStub(), refuse) as (provider, server):
        raised = await error_of(provider, asked_of(provider, tmp_path, model="meshy-7"))
    assert isinstance(raised, error)
    assert raised.retry_after_s == 7
    assert len(server.calls) == 1


@pytest.mark.parametrize("answer", [{"result": "../../secrets"}, {"result": ""}, {"other": 1}, {"result": 5}])
async def test_an_answer_that_begins_no_task(tmp_path, answer):
    async def begin(call):
        await give(call, answer)

    async with meshy(MeshyStub(), begin) as (provider, server):
        raised = await error_of(provider, asked_of(provider, tmp_path, model="meshy-7"))
    assert type(raised) is errors.ProviderBadResponse
    assert len(server.calls) == 1


async def test_it_begins_before_it_asks(tmp_path):
    async with meshy(MeshyStub()) as (provider, server):
        events = provider.generate(asked_of(provider, tmp_path, model="meshy-7"))
        assert await anext(events) == Started()
        assert server.calls == []
        await events.aclose()
