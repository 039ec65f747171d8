"""What the `stability` provider asks for, and what it makes of the answers."""

import asyncio

import pytest
from attrs import evolve

from pluggably.domain import errors
from pluggably.domain.generation import Started
from pluggably.domain.model import Modality

from ...meshes import glb
from ...pictures import encoded
from .forms import fields_of, parts_of
from .image_answers import answering
from .image_answers import asked_of as asked_for_a_picture
from .openai_server import hang, hang_up, stalling_body
from .solids import SECRET, a_picture, asked_of, content_of, error_of, events_of
from .stability_stub import drawing, refusing, stability

IMAGES = "/v2beta/stable-image/generate"


# ── Asking ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("model", "path", "more"),
    [
        ("core", "core", {}),
        ("ultra", "ultra", {}),
        ("sd3.5-large", "sd3", {"model": "sd3.5-large"}),
        ("sd3.5-flash", "sd3", {"model": "sd3.5-flash"}),
    ],
)
async def test_words_become_a_picture(tmp_path, model, path, more):
    async with stability(drawing) as (provider, server):
        events = await events_of(provider, asked_for_a_picture(provider, tmp_path, model=model))
    (call,) = server.calls
    assert (call.path, fields_of(call)) == (
        f"{IMAGES}/{path}",
        {"prompt": "A red circle", "output_format": "png"} | more,
    )
    assert "\r\naccept: image/*\r\n" in call.head.lower()
    assert "\r\nauthorization: bearer sk-secret\r\n" in call.head.lower()
    assert events[0] == Started()
    file = events[-1].files[0]
    assert (file.media_type, file.facts, content_of(file)) == ("image/png", {"width": 37, "height": 23}, encoded("PNG"))
    assert events[-1].seed == 343940597


async def test_everything_that_a_model_takes_is_passed_on(tmp_path):
    wanted = {"width": 1344, "height": 768, "negative_prompt": "blur", "seed": 42, "format": "jpeg"}
    async with stability(drawing) as (provider, server):
        request = asked_for_a_picture(provider, tmp_path, model="sd3.5-medium", guidance_scale=4.5, **wanted)
        completed = (await events_of(provider, request))[-1]
    assert fields_of(server.calls[0]) == {
        "prompt": "A red circle",
        "model": "sd3.5-medium",
        "aspect_ratio": "16:9",
        "negative_prompt": "blur",
        "seed": "42",
        "output_format": "jpeg",
        "cfg_scale": "4.5",
    }
    assert (completed.seed, completed.files[0].media_type) == (42, "image/jpeg")


@pytest.mark.parametrize(
    ("model", "strength", "more"),
    [
        ("ultra", 0.3, {"strength": "0.3"}),
        ("ultra", None, {"strength": "0.8"}),
        ("sd3.5-large", 0.3, {"strength": "0.3", "mode": "image-to-image", "model": "sd3.5-large"}),
    ],
)
async def test_a_picture_is_gone_on_from(tmp_path, model, strength, more):
    picture = a_picture(tmp_path)
    async with stability(drawing) as (provider, server):
        await events_of(provider, asked_for_a_picture(provider, tmp_path, picture, model=model, strength=strength))
    assert fields_of(server.calls[0]) == {"prompt": "A red circle", "output_format": "png"} | more
    assert parts_of(server.calls[0])[-1] == ("image", "0.png", "image/png", content_of(picture))


async def test_a_picture_becomes_a_mesh(tmp_path):
    picture = a_picture(tmp_path, "WEBP")
    async with stability(drawing) as (provider, server):
        request = asked_of(provider, tmp_path, picture, model="stable-fast-3d", words="Make it a model")
        completed = (await events_of(provider, request))[-1]
    (call,) = server.calls
    assert call.path == "/v2beta/3d/stable-fast-3d"
    assert parts_of(call) == [("image", "0.webp", "image/webp", content_of(picture))]
    assert "\r\naccept: */*\r\n" in call.head.lower()
    assert content_of(completed.files[0]) == glb()
    assert completed.files[0].facts["faces"] == 12


async def test_the_newer_model_of_meshes_takes_more(tmp_path):
    wanted = {"seed": 9, "guidance_scale": 3.5, "target_faces": 2000}
    async with stability(drawing) as (provider, server):
        request = asked_of(provider, tmp_path, a_picture(tmp_path), model="stable-point-aware-3d", **wanted)
        await events_of(provider, request)
    assert fields_of(server.calls[0]) == {
        "seed": "9",
        "guidance_scale": "3.5",
        "target_type": "face",
        "target_count": "2000",
    }


@pytest.mark.parametrize(
    ("pointer", "model", "wanted"),
    [
        ("/parameters/width", "core", {"width": 1000, "height": 1000}),
        ("/parameters/height", "core", {"width": 1024}),
        ("/parameters/seed", "core", {"seed": 0}),
        ("/parameters/format", "sd3.5-large", {"format": "webp"}),
        ("/parameters/guidance_scale", "sd3.5-large", {"guidance_scale": 10.5}),
        ("/parameters/guidance_scale", "sd3.5-large", {"guidance_scale": 0.5}),
    ],
)
async def test_a_picture_that_stability_does_not_make_is_refused(tmp_path, pointer, model, wanted):
    async with stability(drawing) as (provider, server):
        raised = await error_of(provider, asked_for_a_picture(provider, tmp_path, model=model, **wanted))
    assert [it.pointer for it in raised.violations] == [pointer]
    assert server.calls == []


@pytest.mark.parametrize(
    ("pointer", "files", "wanted"),
    [
        ("/input", [], {}),
        ("/input", ["PNG", "PNG"], {}),
        ("/parameters/target_faces", ["PNG"], {"target_faces": 99}),
        ("/parameters/target_faces", ["PNG"], {"target_faces": 20_001}),
        ("/parameters/seed", ["PNG"], {"seed": 0}),
    ],
)
async def test_a_mesh_that_stability_does_not_make_is_refused(tmp_path, pointer, files, wanted):
    pictures = [a_picture(tmp_path, kind) for kind in files]
    async with stability(drawing) as (provider, server):
        raised = await error_of(
            provider, asked_of(provider, tmp_path, *pictures, model="stable-point-aware-3d", **wanted)
        )
    assert [it.pointer for it in raised.violations] == [pointer]
    assert server.calls == []


async def test_a_size_besides_a_picture_and_a_mask_are_refused(tmp_path):
    picture = a_picture(tmp_path)
    async with stability(drawing) as (provider, server):
        sized = asked_for_a_picture(provider, tmp_path, picture, model="ultra", width=1024, height=1024)
        assert (await error_of(provider, sized)).violations[0].pointer == "/parameters/width"
        masked = asked_for_a_picture(provider, tmp_path, picture, evolve(picture, use="mask"), model="ultra")
        assert (await error_of(provider, masked)).violations[0].pointer == "/input"
    assert server.calls == []


# ── Models ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_all_models_that_fit_are_listed_with_what_they_take():
    async with stability(drawing, models=["core", "stable-*", "sd3.5-large*"]) as (provider, _):
        found = {model.name: model for model in await provider.models()}
    assert set(found) == {"core", "sd3.5-large", "sd3.5-large-turbo", "stable-fast-3d", "stable-point-aware-3d"}
    assert found["stable-fast-3d"].modality is Modality.MODEL_3D
    assert found["stable-fast-3d"].parameters == frozenset()
    assert found["core"].capabilities == {"text-to-image"}
    assert "strength" not in found["core"].parameters
    assert "n" not in found["core"].parameters | found["sd3.5-large"].parameters
    assert found["sd3.5-large"].parameters - found["sd3.5-large-turbo"].parameters == {
        "negative_prompt",
        "guidance_scale",
    }


async def test_a_model_that_there_is_not_is_refused_at_the_start():
    with pytest.raises(ValueError, match="sd9"):
        async with stability(drawing, models=["sd9"]):
            pass


# ── Failing ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (hang_up, errors.ProviderUnreachable),
        (refusing(400, "bad_request", f"something: {SECRET}"), errors.InvalidRequest),
        (refusing(401, "unauthorized", SECRET), errors.ProviderAuthFailed),
        (refusing(402, "payment_required", SECRET), errors.ProviderQuotaExhausted),
        (refusing(403, "content_moderation", SECRET), errors.ContentPolicyViolation),
        (refusing(403, "forbidden", SECRET), errors.ProviderAuthFailed),
        (refusing(413, "payload_too_large", SECRET), errors.RequestTooLarge),
        (refusing(422, "invalid_language", SECRET), errors.InvalidRequest),
        (refusing(429, "rate_limit_exceeded", SECRET), errors.ProviderRateLimited),
        (refusing(500, "internal_error", SECRET), errors.ProviderError),
        (answering(b"<html>", 503, media_type="text/html"), errors.ProviderUnavailable),
        (answering(encoded("PNG"), finish_reason="CONTENT_FILTERED"), errors.ContentPolicyViolation),
        (answering({"image": "…"}), errors.ProviderBadResponse),
        (answering(b""), errors.ProviderBadResponse),
        (answering(encoded("JPEG")), errors.ProviderBadResponse),
        (answering(encoded("PNG")[:20]), errors.ProviderBadResponse),
    ],
)
async def test_an_answer_without_a_picture(tmp_path, answer, error):
    async with stability(answer) as (provider, server):
        raised = await error_of(provider, asked_for_a_picture(provider, tmp_path, model="core"))
    assert type(raised) is error
    assert len(server.calls) == 1


@pytest.mark.parametrize("content", [b"", b"<html>", glb()[:-4], glb() + b"\0\0\0\0"])
async def test_an_answer_without_a_mesh(tmp_path, content):
    async with stability(answering(content)) as (provider, _):
        raised = await error_of(provider, asked_of(provider, tmp_path, a_picture(tmp_path), model="stable-fast-3d"))
    assert type(raised) is errors.ProviderBadResponse


async def test_a_field_that_stability_refuses_is_named(tmp_path):
    answer = refusing(400, "bad_request", f"prompt: {SECRET}", f"cfg_scale: {SECRET}", f"unheard_of: {SECRET}")
    async with stability(answer) as (provider, _):
        raised = await error_of(provider, asked_for_a_picture(provider, tmp_path, model="core"))
    assert [it.pointer for it in raised.violations] == ["/input", "/parameters/guidance_scale"]
    assert SECRET not in str(raised.violations)


async def test_how_long_to_wait_is_told(tmp_path):
    async with stability(refusing(429, "rate_limit_exceeded", Retry_After="60")) as (provider, _):
        raised = await error_of(provider, asked_for_a_picture(provider, tmp_path, model="core"))
    assert raised.retry_after_s == 60


@pytest.mark.parametrize("answer", [hang, stalling_body])
async def test_a_server_that_is_not_done_in_time(tmp_path, answer):
    async with stability(answer, answer_timeout_s=0.1) as (provider, _):
        raised = await error_of(provider, asked_for_a_picture(provider, tmp_path, model="core"))
    assert type(raised) is errors.ProviderTimeout


async def test_leaving_closes_the_connection(tmp_path):
    async with stability(stalling_body) as (provider, server):
        events = provider.generate(asked_for_a_picture(provider, tmp_path, model="core"))
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        await server.called.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await server.left.wait()
