"""What the `tripo` provider asks for, and what it makes of the answers."""

import asyncio

import pytest

from pluggably.adapters.artifacts.egress import GuardedEgress
from pluggably.domain import errors
from pluggably.domain.generation import BackendState, Progress

from ...meshes import glb
from .forms import parts_of
from .openai_server import openai_server
from .solids import SECRET, a_picture, asked_of, content_of, error_of, events_of
from .task_stub import give
from .tripo_stub import TripoStub, tripo

MODEL = "v3.1-20260211"


def posted(server) -> list[tuple[str, dict]]:
    return [(call.path, call.body) for call in server.calls if call.head.startswith("POST") and call.body]


# ── Asking ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_words_become_a_mesh(tmp_path):
    async with tripo(TripoStub()) as (provider, server):
        wanted = asked_of(provider, tmp_path, model=MODEL, seed=7, target_faces=5000, texture=False)
        events = await events_of(provider, wanted)
    body = {
        "prompt": "A red chair",
        "model": MODEL,
        "image_seed": 7,
        "model_seed": 7,
        "texture_seed": 7,
        "face_limit": 5000,
        "texture": False,
        "pbr": False,
    }
    assert posted(server) == [("/v3/generation/text-to-model", body)]
    assert "authorization: bearer tsk_secret" in server.calls[0].head.lower()
    assert events[1:-1] == [
        Progress(10, 100, 90),
        Progress(35, 100, 65),
        Progress(60, 100, 40),
        Progress(99, 100, 1),
        Progress(100, 100, 0),
    ]
    completed = events[-1]
    assert content_of(completed.files[0]) == glb()
    assert (completed.seed, completed.state.kind) == (7, "tripo.task")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
async def test_a_picture_is_uploaded_and_becomes_a_mesh(tmp_path, kind):
    picture, stub = a_picture(tmp_path, kind), TripoStub()
    async with tripo(stub) as (provider, server):
        await events_of(provider, asked_of(provider, tmp_path, picture, model=MODEL))
    suffix = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}[kind]
    assert parts_of(stub.uploads[0]) == [("file", f"0.{suffix}", picture.media_type, content_of(picture))]
    assert posted(server) == [("/v3/generation/image-to-model", {"input": "file_1", "model": MODEL})]


async def test_its_state_is_gone_on_from_by_a_texture_and_that_again(tmp_path):
    stub = TripoStub()
    async with tripo(stub) as (provider, server):
        first = (await events_of(provider, asked_of(provider, tmp_path, model=MODEL)))[-1]
        second_folder, third_folder = tmp_path / "second", tmp_path / "third"
        second_folder.mkdir()
        third_folder.mkdir()
        wanted = asked_of(provider, second_folder, model=MODEL, words="Worn oak", state=first.state, seed=9)
        second = (await events_of(provider, wanted))[-1]
        picture = a_picture(tmp_path)
        wanted = asked_of(provider, third_folder, picture, model=MODEL, words="", state=second.state)
        third = (await events_of(provider, wanted))[-1]
    tasks = list(stub.looks)
    assert posted(server)[1:] == [
        ("/v3/models/texture", {"input": tasks[0], "texture_prompt": {"text": "Worn oak"}, "texture_seed": 9}),
        ("/v3/models/texture", {"input": tasks[1], "texture_prompt": {"image": "file_1"}}),
    ]
    assert third.state == BackendState(kind="tripo.task", value=tasks[2])


STATE = BackendState(kind="tripo.task", value="018a-1")


@pytest.mark.parametrize(
    ("pointer", "wanted"),
    [
        ("/input", {"words": "a" * 1025}),
        ("/input", {"words": ""}),
        ("/parameters/target_faces", {"state": STATE, "target_faces": 500}),
        ("/parameters/texture", {"state": STATE, "texture": False}),
    ],
)
async def test_what_tripo_does_not_make_is_refused_and_not_dropped(tmp_path, pointer, wanted):
    async with tripo(TripoStub()) as (provider, server):
        raised = await error_of(provider, asked_of(provider, tmp_path, **({"model": MODEL} | wanted)))
    assert [it.pointer for it in raised.violations] == [pointer]
    assert server.calls == []


@pytest.mark.parametrize("value", ["../account/balance", "a/b", "a?b", "", "ü"])
async def test_a_state_cannot_name_another_path(tmp_path, value):
    state = BackendState(kind="tripo.task", value=value)
    async with tripo(TripoStub()) as (provider, server):
        raised = await error_of(provider, asked_of(provider, tmp_path, model=MODEL, state=state))
    assert type(raised) is errors.StateTokenRefused
    assert server.calls == []


async def test_a_state_that_the_service_does_not_have_is_refused(tmp_path):
    async with tripo(TripoStub()) as (provider, _):
        raised = await error_of(provider, asked_of(provider, tmp_path, model=MODEL, state=STATE))
    assert type(raised) is errors.StateTokenRefused


async def test_what_it_keeps_of_a_state_is_said_to_be_left(tmp_path):
    async with tripo(TripoStub()) as (provider, _):
        with pytest.raises(errors.GatewayError, match="no way to delete"):
            await provider.forget(STATE)


# ── Failing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def ending(status: str, **facts) -> dict:
    return {"ends": {"status": status, "progress": 100, "output": {}, "error_msg": SECRET} | facts}


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        (ending("failed", error_code=1001), errors.ProviderError),
        (ending("failed", error_code=2008), errors.ContentPolicyViolation),
        (ending("failed"), errors.ProviderError),
        (ending("banned"), errors.ContentPolicyViolation),
        (ending("expired"), errors.ProviderUnavailable),
        (ending("cancelled"), errors.ProviderUnavailable),
        (ending("unknown"), errors.ProviderBadResponse),
        (ending("success"), errors.ProviderBadResponse),
        ({"files": {"glb": glb()[:-9]}}, errors.ProviderBadResponse),
        ({"files": {"glb": b"<html>Expired</html>"}}, errors.ProviderBadResponse),
        ({"refused": {0: 403, 1: 403}}, errors.ProviderBadResponse),
        ({"origin": "https://10.0.0.1"}, errors.ProviderBadResponse),
    ],
)
async def test_a_task_without_a_mesh(tmp_path, facts, error):
    egress = GuardedEgress()
    async with tripo(TripoStub(**facts), egress=egress) as (provider, _):
        raised = await error_of(provider, asked_of(provider, tmp_path, model=MODEL))
    await egress.close()
    assert type(raised) is error


async def test_a_url_that_has_expired_is_asked_for_again_once(tmp_path):
    async with tripo(TripoStub(refused={0: 403})) as (provider, _):
        completed = (await events_of(provider, asked_of(provider, tmp_path, model=MODEL)))[-1]
    assert content_of(completed.files[0]) == glb()


async def test_a_mesh_on_another_server_is_fetched_by_the_egress_without_the_key(tmp_path):
    async def bucket(call):
        await call.answer(glb(), media_type="model/gltf-binary")

    async with openai_server(bucket) as elsewhere:
        origin = elsewhere.base_url.removesuffix("/v1")
        egress = GuardedEgress(private_origins=[origin])
        async with tripo(TripoStub(origin=origin), egress=egress) as (provider, _):
            completed = (await events_of(provider, asked_of(provider, tmp_path, model=MODEL)))[-1]
        await egress.close()
    assert content_of(completed.files[0]) == glb()
    assert "tsk_secret" not in elsewhere.calls[0].head


async def test_a_task_that_stands_still_at_99_is_given_up(tmp_path):
    async with tripo(TripoStub(percents=(10,) + (99,) * 9_999), stalled_s=0.05) as (provider, _):
        raised = await error_of(provider, asked_of(provider, tmp_path, model=MODEL))
    assert type(raised) is errors.ProviderTimeout


async def test_a_request_that_is_cancelled_amid_polling_is_over_at_once(tmp_path):
    stub = TripoStub(percents=(10,) * 9_999)
    async with tripo(stub) as (provider, _):
        waiting = asyncio.create_task(events_of(provider, asked_of(provider, tmp_path, model=MODEL)))
        await stub.looked.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_request_that_is_cancelled_amid_its_upload_begins_nothing(tmp_path):
    uploading = asyncio.Event()

    async def answer(call):
        uploading.set()
        await call.client_gone()

    async with tripo(TripoStub(), answer) as (provider, server):
        wanted = asked_of(provider, tmp_path, a_picture(tmp_path), model=MODEL)
        waiting = asyncio.create_task(events_of(provider, wanted))
        await uploading.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await server.left.wait()
    assert [call.path for call in server.calls] == ["/v3/files"]


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        (1002, 401, errors.ProviderAuthFailed),
        (1004, 400, errors.InvalidRequest),
        (2000, 429, errors.ProviderRateLimited),
        (2003, 400, errors.InvalidRequest),
        (2008, 400, errors.ContentPolicyViolation),
        (2010, 403, errors.ProviderQuotaExhausted),
        (2014, 500, errors.ProviderError),
        (2015, 400, errors.ModelNotFound),
        (9999, 503, errors.ProviderUnavailable),
        (2008, 200, errors.ContentPolicyViolation),
        (9999, 200, errors.ProviderBadResponse),
    ],
)
async def test_a_task_that_is_not_taken_is_asked_for_once(tmp_path, code, status, error):
    refusal = ({"code": code, "message": SECRET, "suggestion": SECRET}, status)
    async with tripo(TripoStub(refusal=refusal)) as (provider, server):
        raised = await error_of(provider, asked_of(provider, tmp_path, model=MODEL))
    assert type(raised) is error
    assert raised.retry_after_s == (None if status == 200 else 7)
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    "answer",
    [
        {"code": 0, "data": {"task_id": "../../secrets"}},
        {"code": 9999, "data": {"task_id": "018a"}},
        {"code": 0},
        {"data": {"task_id": 5}},
        {"code": "0"},
    ],
)
async def test_an_answer_that_begins_no_task(tmp_path, answer):
    async def begin(call):
        await give(call, answer)

    async with tripo(TripoStub(), begin) as (provider, server):
        raised = await error_of(provider, asked_of(provider, tmp_path, model=MODEL))
    assert type(raised) is errors.ProviderBadResponse
    assert len(server.calls) == 1


async def test_an_upload_that_is_refused_begins_nothing(tmp_path):
    async def refuse(call):
        await give(call, {"code": 2004, "message": SECRET}, 400)

    async with tripo(TripoStub(), refuse) as (provider, server):
        raised = await error_of(provider, asked_of(provider, tmp_path, a_picture(tmp_path), model=MODEL))
    assert type(raised) is errors.InvalidRequest
    assert [call.path for call in server.calls] == ["/v3/files"]
