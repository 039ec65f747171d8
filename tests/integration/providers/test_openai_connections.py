"""How the `openai` provider holds its connections, and how it lets go of them."""

import asyncio

import pytest
from attrs import evolve

from pluggably.domain.errors import ProviderUnreachable
from pluggably.domain.generation import Started, TextDelta

from ...builders import a_request
from .openai_server import Call, chunk, counting, hang, hang_up, openai_server, stalling_body, streaming

ONE = chunk("one ")


def asked_of(provider, stream: bool = True):
    return evolve(a_request("Hi", model=provider.match("stub/gpt-test")), stream=stream)


async def complete(provider, stream: bool = True) -> list:
    return [event async for event in provider.generate(asked_of(provider, stream))]


@pytest.mark.parametrize("stream", [True, False])
async def test_a_connection_is_used_again_after_a_whole_answer(stream):
    async with openai_server(counting) as server:
        provider = server.provider()
        for _ in range(3):
            await complete(provider, stream=stream)
        await provider.close()
    assert (len(server.calls), server.connections) == (3, 1)


async def test_a_stream_whose_end_comes_after_its_last_word_leaves_its_connection_to_the_next():
    async def end_later(call: Call) -> None:
        for _ in range(10):  # turns of the loop: the client has read the last event long before
            await asyncio.sleep(0)
        await call.end_stream()

    async with openai_server(streaming(ONE, chunk(finish_reason="stop"), "[DONE]", then=end_later)) as server:
        provider = server.provider()
        await complete(provider)
        await complete(provider)
        await provider.close()
    assert server.connections == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_a_connection_that_went_stale_is_replaced_unnoticed(stream):
    async def answer_the_first_of_a_connection(call: Call) -> None:
        if call.connection == 1 and len(server.calls) == 2:
            call.writer.close()  # after it has read the second request, as if the two had crossed on the way
        else:
            await counting(call)

    async with openai_server(answer_the_first_of_a_connection) as server:
        provider = server.provider()
        await complete(provider, stream=stream)
        assert (await complete(provider, stream=stream))[-1].output
        await provider.close()
    assert (len(server.calls), server.connections) == (3, 2)


async def test_a_new_connection_that_is_lost_is_not_tried_again():
    async with openai_server(hang_up) as server:
        provider = server.provider()
        with pytest.raises(ProviderUnreachable):
            await complete(provider, stream=False)
        await provider.close()
    assert len(server.calls) == 1


async def test_no_more_connections_are_opened_than_allowed():
    async with openai_server(counting) as server:
        provider = server.provider(max_connections=2)
        answers = await asyncio.gather(*(complete(provider) for _ in range(8)))
        await provider.close()
    assert len(answers) == 8
    assert server.connections == 2


async def test_the_environment_does_not_choose_where_a_request_goes(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with openai_server(counting) as server:
        provider = server.provider()
        assert (await complete(provider))[-1].output
        await provider.close()
    assert "Authorization: Bearer sk-secret\r\n" in server.calls[0].head


# ── Cancelling ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_closing_amid_the_output_closes_the_connection():
    async with openai_server(streaming(ONE, then=hang)) as server:
        provider = server.provider()
        events = provider.generate(asked_of(provider))
        assert [await anext(events), await anext(events)] == [Started(), TextDelta("one ")]
        assert not server.left.is_set()
        await events.aclose()
        async with asyncio.timeout(5):
            await server.left.wait()
        await provider.close()


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("answer", [hang, streaming(chunk("", role="assistant"), then=hang), stalling_body])
async def test_cancelling_before_the_first_output_closes_the_connection(answer, stream):
    async with openai_server(answer) as server:
        provider = server.provider()
        waiting = asyncio.create_task(complete(provider, stream=stream))
        await server.called.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        async with asyncio.timeout(5):
            await server.left.wait()
        await provider.close()


async def test_closing_before_anything_was_sent_sends_nothing():
    async with openai_server(counting) as server:
        provider = server.provider()
        events = provider.generate(asked_of(provider))
        assert await anext(events) == Started()
        await events.aclose()
        await provider.close()
    assert server.calls == []
