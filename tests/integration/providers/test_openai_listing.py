"""What the `openai` provider finds out about the models of a server, if it is told to ask."""

import asyncio

import pytest

from .image_answers import answering
from .openai_server import hang_up, openai_server

LIST = {
    "object": "list",
    "data": [
        {"id": "Qwen/Qwen3-8B", "object": "model", "max_model_len": 40960},
        {"id": "Qwen/Qwen3-0.6B", "object": "model", "context_length": "much", "meta": {"n_ctx_train": 32768}},
        {"id": "gpt-test", "object": "model", "meta": 7},
        {"id": "whisper-1", "object": "model", "context_length": 448},
    ],
}


async def listed(provider) -> dict[str, int | None]:
    return {model.name: model.context_length for model in await provider.models()}


async def test_names_are_listed_and_of_the_servers_list_what_patterns_allow():
    async with openai_server(answering(LIST)) as server:
        provider = server.provider(models=["gpt-test", "Qwen/*", "mine"], list_s=60)
        assert await listed(provider) == {
            "gpt-test": None,
            "mine": None,
            "Qwen/Qwen3-0.6B": 32768,
            "Qwen/Qwen3-8B": 40960,
        }
        assert provider.match("stub/Qwen/Qwen3-8B").context_length == 40960
        assert provider.match("stub/Qwen/new").context_length is None
        assert provider.match("stub/whisper-1") is None
        await provider.close()
    assert [call.path for call in server.calls] == ["/v1/models"]


async def test_a_server_is_not_asked_unless_the_configuration_says_so():
    async with openai_server(answering(LIST)) as server:
        provider = server.provider(models=["gpt-test", "*"])
        assert list(await listed(provider)) == ["gpt-test"]
        await provider.close()
    assert server.calls == []


@pytest.mark.parametrize(
    "answer", [hang_up, answering({"data": [{}]}), answering(LIST, 500)], ids=["gone", "bad", "500"]
)
async def test_a_server_that_does_not_tell_leaves_what_is_known(answer):
    async with openai_server(answering(LIST)) as server:
        provider = server.provider(models=["Qwen/*"], list_s=0)
        before = await listed(provider)
        server.answer = answer
        asked = len(server.calls)
        while len(server.calls) <= asked + 1:  # the second one is asked only when the first is over
            assert await listed(provider) == before
            await asyncio.sleep(0)
        await provider.close()
    assert list(before) == ["Qwen/Qwen3-0.6B", "Qwen/Qwen3-8B"]
