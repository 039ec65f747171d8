"""What the `ollama` provider finds out about the models of a server, and when."""

import asyncio

import pytest

from pluggably.domain.model import ModelStatus
from pluggably.domain.parameters import TEXT_PARAMETERS

from .image_answers import answering
from .ollama_stub import TAGS, OllamaStub, ollama
from .openai_server import hang, hang_up


async def names(provider) -> list[str]:
    return [model.name for model in await provider.models()]


async def test_the_models_of_the_server_are_listed_with_what_it_knows():
    async with ollama(OllamaStub()) as (provider, _):
        found = {model.name: model for model in await provider.models()}
    assert list(found) == sorted(TAGS)
    llama = found["llama3.2:latest"]
    assert (llama.id, llama.upstream, llama.origin) == ("stub/llama3.2:latest", "llama3.2:latest", "provider")
    assert (llama.size_bytes, llama.quantization, llama.context_length) == (2019393189, "Q4_K_M", 131072)
    assert llama.version == "a80c4f17acd5"
    assert (llama.capabilities, llama.parameters) == ({"tools"}, TEXT_PARAMETERS - {"tool_choice"})
    seeing = found["qwen3-vl:8b"]
    assert (seeing.capabilities, seeing.parameters) == ({"vision"}, TEXT_PARAMETERS - {"tool_choice", "tools"})
    assert found["nomic-embed-text:latest"].status is ModelStatus.UNSUPPORTED


async def test_only_what_the_configuration_allows_is_listed_and_what_it_names_always_is():
    async with ollama(OllamaStub(), models=["llama3.2", "qwen*", "mistral"]) as (provider, _):
        found = {model.name: model for model in await provider.models()}
    assert list(found) == ["llama3.2", "mistral", "qwen3-vl:8b"]
    assert found["llama3.2"].context_length == 131072
    assert found["mistral"].context_length is None


async def test_a_name_without_a_tag_means_the_latest():
    async with ollama(OllamaStub()) as (provider, _):
        await provider.models()
        assert provider.match("stub/llama3.2").context_length == 131072
        assert provider.match("stub/llama3.2").upstream == "llama3.2"


async def test_a_model_that_the_server_did_not_tell_of_can_be_asked_for():
    async with ollama(OllamaStub()) as (provider, server):
        assert provider.match("stub/namespace/new:7b").upstream == "namespace/new:7b"
        assert provider.match("other/new") is None
    assert server.calls == []


async def test_the_server_is_asked_once_for_a_while():
    stub = OllamaStub()
    async with ollama(stub) as (provider, _):
        for _ in range(3):
            await provider.models()
    assert stub.asked == {"/api/tags": 1, "/api/show": 3}


async def test_a_list_that_is_old_is_given_at_once_and_made_new_behind():
    stub = OllamaStub()
    async with ollama(stub, list_s=0) as (provider, _):
        before = await names(provider)
        del stub.tags["qwen3-vl:8b"]
        while await names(provider) == before:
            await asyncio.sleep(0)
        assert await names(provider) == ["llama3.2:latest", "nomic-embed-text:latest"]
    assert stub.asked["/api/show"] == 3  # nothing is looked at again that has not changed


async def test_a_model_that_cannot_be_looked_at_is_listed_all_the_same():
    stub = OllamaStub(tags=TAGS | {"broken:latest": {"size": 1, "digest": "b"}})
    async with ollama(stub) as (provider, _):
        found = {model.name: model for model in await provider.models()}
    assert (found["broken:latest"].size_bytes, found["broken:latest"].context_length) == (1, None)
    assert found["llama3.2:latest"].context_length == 131072


@pytest.mark.parametrize(
    "away",
    [
        hang,
        hang_up,
        answering(b"<html>", 200),
        answering({"error": "no"}, 500),
        answering({"models": [{"name": 5}]}),
        answering({"models": "none"}),
    ],
)
async def test_a_server_that_does_not_answer_leaves_what_is_named(away):
    stub = OllamaStub(away=away)
    async with asyncio.timeout(60), ollama(stub, models=["llama3.2", "*"], list_timeout_s=600) as (provider, _):
        assert await names(provider) == ["llama3.2"]
        assert await names(provider) == ["llama3.2"]


async def test_what_was_known_stays_when_the_server_goes_away():
    stub = OllamaStub()
    async with ollama(stub, list_s=0) as (provider, _):
        before = await names(provider)
        stub.away = hang_up
        asked = stub.asked["/api/tags"]
        while stub.asked["/api/tags"] < asked + 2:
            assert await names(provider) == before
            await asyncio.sleep(0)


async def test_closing_amid_a_list_ends_it():
    async with ollama(OllamaStub(away=hang)) as (provider, server):
        await provider.models()
    await server.left.wait()
