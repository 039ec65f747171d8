"""Around every request: its id, its body within bounds, its end when the client leaves, and its line in the log.

An ASGI middleware, outside of Falcon, because a server only tells `receive` that a client has gone: as soon as the body
is read, somebody listens there, and cancels the task that works on the request. Everything the work has opened is owned
by the exchange, so that it ends with the request, whatever happens.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from time import perf_counter
from typing import Any, cast

import structlog
from structlog.typing import FilteringBoundLogger

from ...application.access import Access
from ...application.telemetry import NOTES, RequestObserver
from ...application.tracing import RequestSpan, Traced, Tracer
from ...domain.errors import Draining, GatewayError
from . import head
from .browsers import answer_headers, expect_local, is_preflight, preflight_headers
from .departure import Departure
from .exchange import Exchange
from .incoming import ClientGone, Incoming, read_whole
from .permissions import may_be_public
from .problems import Problem, internal_error, problem_of
from .services import HttpOptions

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

DRAIN_RETRY_S = 5

STREAMED = frozenset({("POST", "/v1/artifacts")})
"""Requests whose body is taken as it comes, by whoever serves them, and never whole in memory."""

_LAST = (b"connection", b"close")
_log = structlog.get_logger()


class RequestScope:
    """The middleware. Once `leaving`, each answer is the last on its connection, so that a proxy that keeps connections
    goes elsewhere without losing a request; once `draining`, new requests are refused while those at work may finish.
    """

    def __init__(
        self, app: App, access: Access, requests: RequestObserver, tracer: Tracer, options: HttpOptions
    ) -> None:
        self._drained = asyncio.Event()
        self.leaving = False
        self._app = app
        self._access, self._requests, self._tracer = access, requests, tracer
        self._options = options
        self._log: FilteringBoundLogger = _log.bind()  # found once

    @property
    def draining(self) -> bool:
        """Whether new requests are refused."""
        return self._drained.is_set()

    def leave(self) -> None:
        """Let each answer be the last on its connection from now on."""
        self.leaving = True

    def drain(self) -> None:
        """Refuse new requests from now on."""
        self.leave()
        self._drained.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        begun = perf_counter()
        request_id, length, above = head.read(scope)
        exchange = Exchange(request_id, self._options, drained=self._drained)
        trace = Traced(self._tracer, above, partial(_span, exchange, scope["method"]))
        exchange.trace = trace.context
        NOTES.set(exchange.notes)
        self._requests.begun()
        try:
            await self._serve(exchange, scope, length, receive, self._answering(exchange, scope, send))
        finally:
            took_s = perf_counter() - begun
            route, status, failure = exchange.route, exchange.final_status, exchange.failure
            trace.end(failure)
            self._requests.answered(scope["method"], route, status, took_s, failure)
            if self._options.access_log:
                self._write_log(exchange, method=scope["method"], route=route, status=status, took_s=took_s)

    async def _serve(self, exchange: Exchange, scope: Scope, length: int, receive: Receive, send: Send) -> None:
        try:
            expect_local(scope, self._options)
            if is_preflight(scope, self._options):
                await send({"type": "http.response.start", "status": 204, "headers": preflight_headers(scope)})
                await send({"type": "http.response.body"})
                return
            self._expect_open(scope)
            await self._find_principal(exchange, scope)
            await self._take_body(exchange, scope, length, receive)
        except GatewayError as error:
            exchange.failure = error.code
            await _send_problem(send, problem_of(error, scope["path"], exchange.request_id))
            return
        except ClientGone:
            exchange.gone = True
            return
        method = scope["method"]
        if method == "HEAD":
            method = "GET"  # the server leaves out the body
            exchange.headers_only = True
        inner = {**scope, "method": method, "exchange": exchange}
        try:
            await _until_gone(exchange, receive, self._app(inner, _nothing_more, send))
        except asyncio.CancelledError:
            if not self.draining:
                raise
            if not exchange.status:  # the time for running requests is over
                exchange.failure = Draining.code
                await _send_problem(send, problem_of(_draining(), scope["path"], exchange.request_id))
        except Exception as error:
            _log.error("request.failed", request_id=exchange.request_id, exc_info=error)
            exchange.failure = GatewayError.code
            if not exchange.status:
                await _send_problem(send, internal_error(scope["path"], exchange.request_id))

    async def _find_principal(self, exchange: Exchange, scope: Scope) -> None:
        """Find out who asks. Whether that is enough is decided on the matched route; but who is nobody sends no body,
        and is not told which routes there are.
        """
        try:
            exchange.principal = await self._access.principal(head.credential(scope))
        except GatewayError as error:
            exchange.refusal = error
            if not may_be_public(scope["method"], scope["path"]):
                raise

    async def _take_body(self, exchange: Exchange, scope: Scope, length: int, receive: Receive) -> None:
        if exchange.principal is None:  # on a route that is for everybody: none of these takes a body
            await read_whole(receive, length, 0)
        elif (scope["method"], scope["path"].rstrip("/")) in STREAMED:
            exchange.incoming = Incoming(receive, length, self._options.upload_limit_bytes)
        else:
            exchange.body = await read_whole(receive, length, self._options.body_limit_bytes)

    def _write_log(self, exchange: Exchange, *, method: str, route: str, status: int, took_s: float) -> None:
        if exchange.principal:
            exchange.notes["principal"] = exchange.principal.id
        if exchange.failure:
            exchange.notes["code"] = exchange.failure
        if exchange.trace:
            exchange.notes["trace_id"] = exchange.trace.trace_id
        self._log.info(
            "request.completed",
            method=method,
            route=route,
            status=status,
            ms=round(took_s * 1000, 1),
            request_id=exchange.request_id,
            bytes=exchange.sent_bytes,
            **exchange.notes,
        )

    def _answering(self, exchange: Exchange, scope: Scope, send: Send) -> Send:
        """`send`, which also puts the request's id and what browsers may do into the answer, and takes notes of it."""
        headers = [(b"x-request-id", exchange.request_id.encode())]
        if exchange.trace:
            headers.append((b"traceparent", exchange.trace.traceparent.encode()))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                given, last = message["headers"], [_LAST] if self.leaving else ()
                message["headers"] = [*given, *answer_headers(scope, exchange.options, given), *headers, *last]
            else:
                exchange.sent_bytes += len(message.get("body", b""))
                exchange.complete = not message.get("more_body", False)
            await send(message)

        return answer

    def _expect_open(self, scope: Scope) -> None:
        if self.draining and not scope["path"].startswith("/health/"):
            raise _draining()


def _draining() -> Draining:
    return Draining(retry_after_s=DRAIN_RETRY_S)


async def _until_gone(exchange: Exchange, receive: Receive, work: Awaitable[None]) -> None:
    """Do the work, unless the client leaves before its end: then cancel it."""
    worker = cast("asyncio.Task[None]", asyncio.current_task())

    def left() -> None:
        if not exchange.complete:
            exchange.gone = True
            worker.cancel()

    departure = Departure(receive, left)
    if exchange.incoming:
        exchange.incoming.ended = departure.listen  # until then whoever reads the body notices that the client leaves
    else:
        departure.listen()
    try:
        try:
            await work
        finally:
            await exchange.end()
    except ClientGone:
        exchange.gone = True
    except asyncio.CancelledError:
        if not exchange.gone:
            raise
        worker.uncancel()
    finally:
        departure.close()


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send_problem(send: Send, problem: Problem) -> None:
    headers = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    headers += [
        (b"content-type", problem.content_type.encode()),
        (b"content-length", str(len(problem.body)).encode()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": problem.body})


def _span(exchange: Exchange, method: str, **span: Any) -> RequestSpan:
    status, request_id = exchange.final_status, exchange.request_id
    return RequestSpan(**span, method=method, route=exchange.route, status=status, request_id=request_id)
