"""A client that reads slowly makes the upstream wait, through every socket between them; nothing piles up here."""

import asyncio
import json
import socket

from ..http.world import RawConnection, events_of
from ..providers.openai_server import Call, chunk, usage
from .table import Fault
from .upstream import MODEL, gateway_before

WORD = "x" * 64 * 1024
WORDS = 512  # 32 MiB: twice what the buffers of all sockets between them grow to
SMALL = 64 * 1024
QUIET = 500
"""Rounds of the event loop, in which all of this runs, without any byte moving: then somebody waits for somebody."""


async def _quiet(said: list[int]) -> None:
    """Wait until no more is said."""
    rounds, last = 0, -1
    while rounds < QUIET:
        rounds, last = (rounds + 1, last) if said[0] == last else (0, said[0])
        await asyncio.sleep(0)


async def _read(reader: asyncio.StreamReader) -> str:
    """The rest of a chunked body, without its chunks."""
    pieces = []
    while size := int(await reader.readline(), 16):
        pieces.append(await reader.readexactly(size))
        await reader.readline()
    return b"".join(pieces).decode()


async def test_a_client_that_does_not_read_stops_the_upstream_until_it_does():
    said = [0]

    async def talking(call: Call) -> None:
        upstream = call.writer.get_extra_info("socket")
        upstream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        await call.begin_stream()
        for _ in range(WORDS):
            await call.event(chunk(WORD))
            said[0] += 1
        await call.event(chunk(finish_reason="stop"))
        await call.event(usage(WORDS))
        await call.event("[DONE]")
        await call.end_stream()

    async with gateway_before(Fault("", talking, None, None)) as gateway:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
            client.connect(("127.0.0.1", int(gateway.url.rpartition(":")[2])))
            reader, writer = await asyncio.open_connection(sock=client, limit=SMALL)
            body = json.dumps({"model": MODEL, "input": "Hi", "stream": True}).encode()
            await RawConnection(reader, writer).post("/v1/generations/text", body)
            async with asyncio.timeout(60):
                await reader.readuntil(b"\r\n\r\n")
                while not said[0]:
                    await asyncio.sleep(0)
                await _quiet(said)
                assert said[0] < WORDS / 2
                events = events_of(await _read(reader))
            assert said[0] == WORDS
            writer.transport.abort()
    name, whole = events[-1]
    assert (name, len(whole["output"][0]["text"])) == ("completed", WORDS * len(WORD))
