"""A client that leaves at any moment stops the work at the upstream, and nothing more is asked of it.

How soon is measured, in `benchmarks.disconnects`; here it only has to happen. A session takes its next turn when the
work for the one before has ended, so that a second request says when that is.
"""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import pytest

from pluggably.domain.routing import RetryPolicy

from ..http.world import raw_connection
from ..providers.openai_server import Call, counting, hang, stalling_body, streaming
from .table import ONE, ROLE, Fault, failing
from .upstream import MODEL, gateway_before

IN_AN_HOUR = RetryPolicy(first_pause_s=3_600, longest_pause_s=3_600, patience_s=3_600, deadline_s=36_000)


@asynccontextmanager
async def gateway(answer, retries: RetryPolicy | None = None, settings: dict | None = None):
    """A gateway before an upstream that answers so the first time, and counts from then on."""

    async def answering(call: Call) -> None:
        await (answer if len(running.upstream.calls) == 1 else counting)(call)

    fault = Fault("", answering, None, None, settings=settings or {})
    async with gateway_before(fault, **({"retries": retries} if retries else {})) as running:
        yield running


async def opened_session(url: str) -> str:
    async with raw_connection(url) as client:
        await client.post("/v1/sessions", b"{}")
        head = await client.until(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split()[0])
        return json.loads(await client.reader.readexactly(length))["id"]


def asking(session_id: str, stream: bool) -> bytes:
    return json.dumps({"model": MODEL, "input": "Hi", "stream": stream, "session_id": session_id}).encode()


async def left(running) -> None:
    async with asyncio.timeout(10):
        await running.upstream.left.wait()


async def until(is_so) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0)


async def the_next_turn_is_answered(url: str, session_id: str) -> None:
    async with raw_connection(url) as client:
        await client.post("/v1/generations/text", asking(session_id, stream=True))
        await client.until(b"event: completed")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "answer",
    [hang, stalling_body, streaming(ROLE, then=hang)],
    ids=["before the head", "after the head", "before the first token"],
)
async def test_while_the_upstream_is_waited_for(answer, stream):
    async with gateway(answer) as running:
        session_id = await opened_session(running.url)
        async with raw_connection(running.url) as client:
            await client.post("/v1/generations/text", asking(session_id, stream))
            await running.upstream.called.wait()
            assert not running.upstream.left.is_set()
            client.leave()
            await left(running)
        await the_next_turn_is_answered(running.url, session_id)
        assert len(running.upstream.calls) == 2


async def test_between_two_tokens():
    async with gateway(streaming(ONE, then=hang)) as running:
        session_id = await opened_session(running.url)
        async with raw_connection(running.url) as client:
            await client.post("/v1/generations/text", asking(session_id, stream=True))
            await client.until(b"one ")
            assert not running.upstream.left.is_set()
            client.leave()
            await left(running)
        await the_next_turn_is_answered(running.url, session_id)
        assert len(running.upstream.calls) == 2


async def test_while_the_client_reads_too_slowly():
    async def flooding(call: Call) -> None:
        await call.begin_stream()
        while not call.writer.is_closing():
            await call.event(ONE)

    async with gateway(flooding) as running:
        session_id = await opened_session(running.url)
        async with raw_connection(running.url) as client:
            await client.post("/v1/generations/text", asking(session_id, stream=True))
            await client.until(b"one ")
            client.leave()
            await left(running)
        await the_next_turn_is_answered(running.url, session_id)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_amid_a_pause_before_the_next_try(stream):
    async with gateway(failing(503), IN_AN_HOUR) as running:
        running.world.router.chance = lambda: 1.0
        session_id, model = await opened_session(running.url), await running.world.router.catalog.get(MODEL)
        async with raw_connection(running.url) as client:
            await client.post("/v1/generations/text", asking(session_id, stream))
            await until(lambda: running.world.router.health(model).failures == 1)
            client.leave()
        await the_next_turn_is_answered(running.url, session_id)
        assert len(running.upstream.calls) == 2  # of this turn and of the next


async def test_while_a_connection_is_made():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(4)]  # they fill the queue that `listen` keeps
        for other in waiting:
            other.setblocking(False)
            other.connect_ex(listening.getsockname())
        settings = {"base_url": f"http://127.0.0.1:{listening.getsockname()[1]}/v1", "connect_timeout_s": 3_600}
        async with gateway(hang, settings=settings) as running:
            session_id, model = await opened_session(running.url), await running.world.router.catalog.get(MODEL)
            async with raw_connection(running.url) as client:
                await client.post("/v1/generations/text", asking(session_id, stream=True))
                await until(lambda: running.world.router.load(model, model) > 1)
                client.leave()
                await until(lambda: running.world.router.load(model, model) == 1)
        for other in waiting:
            other.close()
