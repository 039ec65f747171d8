"""Server-sent events: a running generation as a stream of bytes, in the native dialect or in OpenAI's.

`started`, then `delta` or `progress`, then `completed` with the whole object, or `error` with the problem object; each
`data` has `generation_id` and `sequence`. OpenAI's dialect is in `openai_wire.py`; what a client may leave and come
back to is in `followed.py`.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from types import TracebackType
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog
from attrs import asdict, define, field
from falcon.asgi import Response

from ...application.generate import Answer
from ...application.running import Output
from ...domain.errors import GatewayError, StreamInterrupted
from ...domain.generation import Generation, Progress, TextDelta, ToolCallDelta
from .exchange import Exchange
from .problems import problem_object, unexpected
from .rendering import generation_object, progress_object

T = TypeVar("T")

READ_AHEAD = 64
"""How many outputs wait for the client at most; then the generator waits, and with it whatever is behind it."""

PING = b": ping\n\n"

_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger()


class Dialect(Protocol):
    """How a stream is written."""

    def opening(self, running: Answer) -> bytes:
        """What comes first."""
        ...

    def write(self, outputs: Sequence[Output]) -> bytes:
        """Outputs that became ready together; the last of a stream's is the `Generation`."""
        ...

    def failure(self, error: GatewayError) -> bytes:
        """The end of a stream that failed."""
        ...


async def respond(
    resp: Response, exchange: Exchange, begin: AbstractAsyncContextManager[Answer], dialect: Dialect
) -> None:
    """Answer with a stream.

    Returns once the first output is there, or nothing came for the ping interval: what fails until then still gets its
    own status.

    Raises:
        GatewayError: the generation could not begin, or failed at once.
    """
    await begin_stream(resp, exchange, _stream(exchange, begin, dialect))


async def begin_stream(resp: Response, exchange: Exchange, stream: AsyncGenerator[bytes, None]) -> None:
    """Answer with a stream, once its first piece is there; the exchange closes it.

    Raises:
        GatewayError: whatever the stream raised before that.
    """
    exchange.own(stream)
    first = await anext(stream)
    resp.content_type = "text/event-stream"
    resp.set_header("cache-control", "no-cache")
    resp.set_header("x-accel-buffering", "no")
    if exchange.headers_only:
        return
    resp.stream = whole = _chain(first, stream)
    exchange.own(whole)


async def _chain(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    yield first
    async for chunk in rest:
        yield chunk


async def _stream(
    exchange: Exchange, begin: AbstractAsyncContextManager[Answer], dialect: Dialect
) -> AsyncGenerator[bytes, None]:
    written = False
    try:
        async with begin as running, Ahead(running.outputs(), exchange.options.ping_interval_s) as outputs:
            ready = await outputs.take()
            written = True
            yield dialect.opening(running) + (dialect.write(ready) if ready else PING)
            while not (ready and isinstance(ready[-1], Generation)):
                ready = await outputs.take()
                yield dialect.write(ready) if ready else PING
    except GatewayError as error:
        if not written:
            raise
        exchange.failure = error.code
        yield dialect.failure(error)
    except Exception as error:
        if not written:
            raise
        _log.error("request.failed", request_id=exchange.request_id, exc_info=error)
        exchange.failure = GatewayError.code
        yield dialect.failure(unexpected(exchange.request_id))


class Ahead(Generic[T]):
    """An async generator that runs ahead of its reader, in a task of its own, by `READ_AHEAD` items at most.

    So that what is ready at once can be written at once, and that waiting for more can be interrupted by a ping without
    interrupting the generator.
    """

    def __init__(self, source: AsyncGenerator[T, None], idle_s: float) -> None:
        self._source = source
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._ready: list[T] = []
        self._news = asyncio.Event()
        self._room = asyncio.Event()

    async def __aenter__(self) -> "Ahead[T]":
        self._asked_at = self._loop.time()
        self._timer = self._loop.call_later(self._idle_s, self._tick)
        self._task = asyncio.create_task(self._pump())
        self._task.add_done_callback(lambda _: self._news.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._task.cancel()
        await asyncio.wait({self._task})
        if not self._task.cancelled():
            self._task.exception()  # `take` has raised it, or nobody is left who wants to know

    async def take(self) -> list[T]:
        """What has become ready since the last time, once there is something; nothing after `idle_s` without any.

        Raises:
            GatewayError: whatever the generator raised, after all its items have been taken; `StreamInterrupted`
                if it just ended.
        """
        self._asked_at = self._loop.time()
        if not self._ready and not self._task.done():
            await self._news.wait()
        self._news.clear()
        if not self._ready and self._task.done():
            self._task.result()
            raise StreamInterrupted
        ready, self._ready = self._ready, []
        self._room.set()
        return ready

    async def _pump(self) -> None:
        async with aclosing(self._source):
            async for item in self._source:
                self._ready.append(item)
                self._news.set()
                if len(self._ready) >= READ_AHEAD:
                    self._room.clear()
                    await self._room.wait()

    def _tick(self) -> None:
        now = self._loop.time()
        if now - self._asked_at >= self._idle_s:
            self._asked_at = now
            self._news.set()
        self._timer = self._loop.call_at(self._asked_at + self._idle_s, self._tick)


@define(eq=False)
class NativeEvents:
    """The native dialect."""

    exchange: Exchange
    path: str
    _sequence: int = field(init=False, default=0)
    _head: bytes = field(init=False, default=b"")

    def opening(self, running: Answer) -> bytes:
        """`started`."""
        self._head = b'\ndata: {"generation_id":' + _encode(running.id) + b',"sequence":'
        model = {"id": running.model.id, "provider": running.model.provider, "version": running.model.version}
        return self._event(b"started", {"model": model, "created_at": running.created_at})

    def write(self, outputs: Sequence[Output]) -> bytes:
        """`delta`, `progress`, `completed`."""
        return b"".join([self._output(output) for output in outputs])

    def failure(self, error: GatewayError) -> bytes:
        """`error`."""
        return self._event(b"error", problem_object(error, self.path, self.exchange.request_id))

    def _output(self, output: Output) -> bytes:
        match output:
            case TextDelta(text):
                self._sequence += 1
                number = b"%d" % self._sequence
                return b"event: delta" + self._head + number + b',"index":0,"text":' + _encode(text) + b"}\n\n"
            case ToolCallDelta():
                return self._event(b"delta", {"index": 0, "tool_call": asdict(output)})
            case Progress():
                return self._event(b"progress", progress_object(output))
            case Generation():
                return self._event(b"completed", generation_object(output, self.exchange.base))

    def _event(self, name: bytes, data: dict[str, object]) -> bytes:
        self._sequence += 1
        return b"event: " + name + self._head + b"%d," % self._sequence + _encode(data)[1:] + b"\n\n"
