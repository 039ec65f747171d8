"""Server-sent events that a client may leave and come back to: each has a number, for `Last-Event-ID`.

https://html.spec.whatwg.org/multipage/server-sent-events.html. A generation that ends with its client is in `sse.py`.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any, TypeVar

import msgspec
import structlog
from falcon.asgi import Response

from ...domain.errors import GatewayError, InvalidRequest
from .exchange import Exchange, Request
from .problems import problem_object, unexpected
from .sse import PING, begin_stream

T = TypeVar("T")

_NUMBER = re.compile(r"[0-9]{1,18}")
_encode = msgspec.json.Encoder().encode
_log = structlog.get_logger()


def last_event_id(req: Request) -> int | None:
    """The number of the last event that the client has; None if it begins.

    Raises:
        InvalidRequest: the header is no number.
    """
    text = req.get_header("Last-Event-ID")
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise InvalidRequest.at("/headers/Last-Event-ID", "must be the id of an event, which is a number")
    return int(text)


def event_of(number: int, name: str, data: dict[str, Any]) -> bytes:
    """An event as it is sent."""
    return f"id: {number}\nevent: {name}\ndata: ".encode() + _encode(data) + b"\n\n"


async def follow(
    resp: Response,
    exchange: Exchange,
    news: AsyncGenerator[T, None],
    write: Callable[[T], bytes],
    path: str,
) -> None:
    """Answer with news until the client leaves, the service drains, or there are no more. Nothing is read ahead.

    Args:
        resp: the answer.
        exchange: closes the news.
        news: what has become ready together, each time; for news without any the client gets a ping.
        write: the events of them.
        path: what is followed, for the event that says why it cannot be any more.

    Raises:
        GatewayError: the first news could not be had.
    """
    await begin_stream(resp, exchange, _events(exchange, news, write, path))


async def _events(
    exchange: Exchange, news: AsyncGenerator[T, None], write: Callable[[T], bytes], path: str
) -> AsyncGenerator[bytes, None]:
    written = False
    try:
        async with aclosing(_until(exchange.drained, news)) as before_drain:
            async for it in before_drain:
                yield write(it) or PING
                written = True
    except GatewayError as error:
        if not written:
            raise
        yield _failure(error, path, exchange.request_id)
    except Exception as error:
        if not written:
            raise
        _log.error("request.failed", request_id=exchange.request_id, exc_info=error)
        yield _failure(unexpected(exchange.request_id), path, exchange.request_id)


def _failure(error: GatewayError, path: str, request_id: str) -> bytes:
    """Without a number, so that a client goes on from the last one."""
    return b"event: error\ndata: " + _encode(problem_object(error, path, request_id)) + b"\n\n"


async def _until(end: asyncio.Event, source: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """What the source yields before the event is set; what it waits for then is cancelled."""
    ended = asyncio.ensure_future(end.wait())
    steps: set[asyncio.Future[T]] = set()
    async with aclosing(source):
        try:
            while True:
                steps = {step := asyncio.ensure_future(anext(source))}
                await asyncio.wait({step, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not step.done() or isinstance(step.exception(), StopAsyncIteration):
                    return
                yield step.result()
        finally:
            ended.cancel()
            for last in steps:  # has to be over before its generator can be closed
                last.cancel()
                await asyncio.wait({last})
