"""Clients that send too much, too slowly or too often, or take nothing: by hand, since no proper client does this."""

import asyncio

import pytest

from pluggably.entrypoints.http.connection import ConnectionLimits

from .world import Endless, World, raw_connection, serving

SMALL = ConnectionLimits(head_bytes=1_000, headers=10, arrival_s=0.1, taking_s=0.1, connections=8)
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /v1/generations/text HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
ASKED = b'{"input":"x","stream":true}'


@pytest.fixture
async def place():
    """A world, and where it is served within small limits."""
    world = World(Endless())
    async with serving(world.app(), limits=SMALL) as url:
        yield world, url


async def told(url: str, *sent: bytes) -> bytes:
    """All that is answered until the connection ends."""
    async with raw_connection(url) as client:
        try:
            await client.send(*sent)
            return await asyncio.wait_for(client.reader.read(-1), 10)
        except ConnectionError:
            return b""


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /" + b"a" * 1_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        GET + b"A: " + b"a" * 1_000 + b"\r\n\r\n",
        GET + b"A: a\r\n" * 10 + b"\r\n",
    ],
    ids=["a long path", "a long header", "many headers"],
)
async def test_headers_that_are_too_large_are_refused(place, sent):
    assert b" 431 " in await told(place[1], sent)


TRAILED = POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nA: "


@pytest.mark.parametrize("begun", [b"GET /", GET + b"A: ", TRAILED], ids=["path", "header", "trailer"])
async def test_what_has_no_end_is_refused_long_before_it_fills_the_memory(place, begun):
    async with raw_connection(place[1]) as client:
        await client.send(begun)
        with pytest.raises(ConnectionError):
            for _ in range(1_000):
                await client.send(b"a" * 65_536)


async def test_what_just_fits_is_served(place):
    head = GET + b"A: a\r\n" * 8 + b"Connection: close\r\n\r\n"
    assert b" 200 " in await told(place[1], head)
    room = 1_000 - len(b"/health/live") - len(b"Host: x\r\n") - len(b"Connection: close\r\n") - len(b"A: \r\n")
    assert b" 200 " in await told(place[1], GET + b"Connection: close\r\nA: " + b"a" * room + b"\r\n\r\n")
    assert b" 431 " in await told(place[1], GET + b"Connection: close\r\nA: " + b"a" * (room + 1) + b"\r\n\r\n")


@pytest.mark.parametrize("sent", [b"G", GET, POST + b"Content-Length: 27\r\n\r\n{"], ids=["line", "headers", "body"])
async def test_a_request_that_does_not_come_in_time_is_refused(place, sent):
    world, url = place
    assert b" 408 " in await told(url, sent)
    assert not world.generator.begun.is_set()


@pytest.mark.parametrize("sent", [b"", b"\r\n"], ids=["nothing", "an empty line"])
async def test_a_connection_on_which_nothing_comes_ends(place, sent):
    assert await told(place[1], sent) == b""


async def test_what_was_refused_before_its_end_does_not_hold_the_connection(place):
    answered = await told(place[1], POST + b"Content-Length: 99999999\r\n\r\n{")
    assert (b" 413 " in answered, answered.count(b"HTTP/1.1")) == (True, 1)


async def test_one_connection_too_many_is_told_so_and_the_next_one_served_when_another_has_left(place):
    url = place[1]
    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        gate = asyncio.Event()
        held = [group.create_task(_streaming(url, gate)) for _ in range(SMALL.connections)]
        while sum(1 for it in held if it.get_name() == "streams") < SMALL.connections:
            await asyncio.sleep(0)
        assert b" 503 " in await told(url)
        gate.set()
    while b" 200 " not in await told(url, GET + b"Connection: close\r\n\r\n"):  # the others' ends are still noticed
        pass


async def _streaming(url: str, gate: asyncio.Event) -> None:
    async with raw_connection(url) as client:
        await client.post("/v1/generations/text", ASKED)
        await client.until(b"event: delta")
        asyncio.current_task().set_name("streams")
        taking = asyncio.create_task(client.reader.read(-1))
        await gate.wait()
        taking.cancel()


async def test_who_takes_nothing_of_a_stream_has_left(place):
    world, url = place
    async with raw_connection(url) as client:
        client.writer.transport.pause_reading()
        await client.post("/v1/generations/text", ASKED)
        await asyncio.wait_for(world.generator.ended.wait(), 20)


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",
        GET + b"A\x00: x\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
    ],
    ids=repr,
)
async def test_what_is_no_http_is_refused_and_ends_the_connection(place, sent):
    answered = await told(place[1], sent)
    assert b" 400 " in answered and b"malformed_request" in answered


async def test_nonsense_behind_a_request_does_not_get_into_its_answer(place):
    answered = await told(place[1], POST + b"Content-Length: 27\r\n\r\n" + ASKED + b"nonsense\r\n\r\n")
    assert b" 400 " not in answered
