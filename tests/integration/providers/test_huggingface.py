"""What the `huggingface` provider asks for, and what it makes of the answers."""

import pytest
from attrs import evolve

from pluggably.domain import errors
from pluggably.domain.generation import Completed, ImagePart, Message, Role
from pluggably.domain.model import Modality

from ...builders import a_request
from ...pictures import encoded
from .huggingface_stub import drawing, huggingface
from .image_answers import answering
from .image_answers import asked_of as asked_for_a_picture
from .openai_server import hang
from .solids import SECRET, content_of, error_of, events_of

FLUX = "black-forest-labs/FLUX.1-dev"


# ── Text ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name", ["openai/gpt-oss-120b", "openai/gpt-oss-120b:groq", "meta-llama/Llama-3.1-8B:cheapest"]
)
async def test_text_is_asked_of_the_router_under_the_models_whole_name(name):
    async with huggingface(drawing) as (provider, server):
        request = a_request("Hi", model=provider.match(f"stub/{name}"), max_tokens=3)
        events = await events_of(provider, request)
    (call,) = server.calls
    assert (call.path, call.body["model"], call.body["max_tokens"]) == ("/v1/chat/completions", name, 3)
    assert "\r\nauthorization: bearer hf_secret\r\n" in call.head.lower()
    assert isinstance(events[-1], Completed)


async def test_pictures_are_shown_to_the_models_that_see_them():
    async with huggingface(drawing, vision_models=["Qwen/*-VL-*"]) as (provider, server):
        seeing, blind = provider.match("stub/Qwen/Qwen3-VL-8B"), provider.match("stub/Qwen/Qwen3-8B")
        shown = Message(Role.USER, (ImagePart("https://files.test/1.png"),))
        await events_of(provider, a_request(shown, model=seeing))
    assert (seeing.capabilities, blind.capabilities) == ({"vision"}, set())
    assert server.calls[0].body["messages"][0]["content"][0]["image_url"] == {"url": "https://files.test/1.png"}


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, {"error": {"message": SECRET, "code": "model_not_supported", "param": "model"}}, errors.ModelNotFound),
        (401, {"error": "Invalid username or password."}, errors.ProviderAuthFailed),
        (402, {"error": "You have exceeded your monthly included credits"}, errors.ProviderQuotaExhausted),
        (429, {"error": SECRET}, errors.ProviderRateLimited),
        (503, {"error": SECRET}, errors.ProviderUnavailable),
        (504, b"upstream request timeout", errors.ProviderTimeout),
    ],
)
async def test_what_the_router_refuses(status, body, error):
    async with huggingface(answering(body, status)) as (provider, server):
        raised = await error_of(provider, a_request("Hi", model=provider.match("stub/Qwen/Qwen3-8B")))
    assert type(raised) is error
    assert len(server.calls) == 1


async def test_a_model_takes_what_openai_knows_and_what_the_operator_adds():
    async with huggingface(drawing, extra_parameters=["top_k"]) as (provider, _):
        parameters = provider.match("stub/Qwen/Qwen3-8B").parameters
    assert {"max_tokens", "tools", "top_k"} <= parameters
    assert not {"min_p", "repetition_penalty"} & parameters
    with pytest.raises(ValueError, match="top_q"):
        async with huggingface(drawing, extra_parameters=["top_q"]):
            pass


# ── Pictures ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("suffix", ["", ":hf-inference"])
async def test_a_picture_is_asked_of_hugging_faces_own_inference(tmp_path, suffix):
    wanted = {"width": 512, "height": 768, "steps": 20, "guidance_scale": 3.5, "negative_prompt": "blur", "seed": 7}
    async with huggingface(drawing) as (provider, server):
        request = asked_for_a_picture(provider, tmp_path, model=FLUX + suffix, **wanted)
        completed = (await events_of(provider, request))[-1]
    (call,) = server.calls
    assert call.path == f"/hf-inference/models/{FLUX}"
    parameters = {name: it for name, it in wanted.items() if name != "steps"} | {"num_inference_steps": 20}
    assert call.body == {"inputs": "A red circle", "parameters": parameters}
    assert "\r\nauthorization: bearer hf_secret\r\n" in call.head.lower()
    assert (completed.files[0].media_type, content_of(completed.files[0])) == ("image/jpeg", encoded("JPEG"))
    assert completed.seed == 7


async def test_a_model_of_pictures_takes_what_is_passed_on_and_no_more():
    async with huggingface(drawing) as (provider, _):
        model = provider.match(f"stub/{FLUX}")
    assert model.modality is Modality.IMAGE
    assert model.parameters == {"width", "height", "steps", "guidance_scale", "negative_prompt", "seed"}
    assert model.capabilities == {"text-to-image"}


@pytest.mark.parametrize(
    "name",
    [
        "black-forest-labs/FLUX.1-dev:fal-ai",
        "black-forest-labs/../../api/whoami",
        "black-forest-labs/a?b",
        "black-forest-labs/a/b",
    ],
)
async def test_pictures_of_other_providers_and_other_paths_are_no_models(name):
    async with huggingface(drawing) as (provider, _):
        assert provider.match(f"stub/{name}") is None


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answering({"error": "Model is currently loading", "estimated_time": 20.0}, 503), errors.ProviderUnavailable),
        (answering({"error": SECRET}, 404), errors.ModelNotFound),
        (answering({"error": SECRET}, 200), errors.ProviderBadResponse),
        (answering(b"<html>"), errors.ProviderBadResponse),
        (hang, errors.ProviderTimeout),
    ],
)
async def test_an_answer_without_a_picture(tmp_path, answer, error):
    async with huggingface(answer, first_byte_timeout_s=0.2) as (provider, _):
        raised = await error_of(provider, asked_for_a_picture(provider, tmp_path, model=FLUX))
    assert type(raised) is error


async def test_a_picture_needs_words(tmp_path):
    async with huggingface(drawing) as (provider, server):
        request = asked_for_a_picture(provider, tmp_path, model=FLUX)
        raised = await error_of(provider, evolve(request, messages=()))
    assert [it.pointer for it in raised.violations] == ["/input"]
    assert server.calls == []
