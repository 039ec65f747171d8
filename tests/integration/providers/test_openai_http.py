"""What HTTP itself allows an answer to be, and what a request may not carry."""

import asyncio
import json

import pytest
from attrs import evolve

from pluggably.domain.errors import ProviderBadResponse, ProviderTimeout
from pluggably.domain.generation import TextPart

from ...builders import a_request
from .openai_server import Call, completion, counting, hang, openai_server

WHOLE = json.dumps(completion("one two")).encode()


async def answered(server, times: int = 2, **settings) -> list:
    """The output of so many requests, one after another."""
    provider = server.provider(**settings)
    request = evolve(a_request("Hi", model=provider.match("stub/gpt-test")), stream=False)
    try:
        return [[event async for event in provider.generate(request)][-1].output for _ in range(times)]
    finally:
        await provider.close()


async def promising(call: Call) -> None:
    await call.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    await call.answer(WHOLE)


async def until_it_closes(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n", WHOLE)
    call.writer.close()


async def closing(call: Call) -> None:
    await call.answer(WHOLE, Connection="close")


async def in_chunks(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for byte in WHOLE:
        await call.send(b"1;why=not\r\n" + bytes([byte]) + b"\r\n")
    await call.send(b"0\r\nTrailer: it\r\n\r\n")


async def saying_more(call: Call) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    await call.send(head % len(WHOLE) + WHOLE + head % 5 + b"wrong")


@pytest.mark.parametrize(
    ("answer", "connections"),
    [(promising, 1), (in_chunks, 1), (until_it_closes, 2), (closing, 2), (saying_more, 2)],
)
async def test_an_answer_as_http_allows_it(answer, connections):
    async with openai_server(answer) as server:
        assert await answered(server) == [(TextPart("one two"),)] * 2
    assert server.connections == connections


async def endless_head(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\n")
    while not call.writer.is_closing():
        await call.send(b"X-More: " + b"x" * 4096 + b"\r\n")


async def test_a_head_without_an_end_is_not_listened_to():
    async with openai_server(endless_head) as server:
        with pytest.raises(ProviderBadResponse):
            await answered(server)


async def test_a_request_waits_for_a_connection_no_longer_than_for_an_answer():
    async with openai_server(hang) as server:
        provider = server.provider(max_connections=1, first_byte_timeout_s=0.2)
        request = evolve(a_request("Hi", model=provider.match("stub/gpt-test")), stream=False)
        asked = [_ended(provider.generate(request)) for _ in range(2)]
        assert [type(it) for it in await asyncio.gather(*asked)] == [ProviderTimeout] * 2
        await provider.close()


async def _ended(events) -> Exception | None:
    try:
        async for _ in events:
            pass
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize("key", ["sk-secret\n", "sk-secret\r\nX-Other: 1", "sk-\N{SNOWMAN}"])
async def test_a_key_that_no_header_can_have_is_refused_at_the_start_and_not_repeated(key):
    async with openai_server(counting) as server:
        with pytest.raises(ValueError, match="Authorization cannot be sent") as refused:
            server.provider(api_key=key)
    assert "sk-" not in str(refused.value)
