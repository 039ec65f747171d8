"""Around every request: its id, its body within bounds, its end when the client leaves, and its line in the log.

An ASGI middleware, outside of Falcon, because a server only tells `receive` that a client has gone: as soon as the body
is read, a watcher listens there and cancels the task that works on the request. Everything the work has opened hangs
in the exchange's exit stack, so that it ends with the request, whatever happens.
"""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import AsyncExitStack
from time import perf_counter
from typing import Any, cast

import structlog
from attrs import define, field
from falcon.asgi import Request as FalconRequest

from ...application.access import Access
from ...application.telemetry import NOTES, TRACEPARENT, RequestObserver
from ...domain.access import Principal
from ...domain.errors import Draining, GatewayError
from .incoming import ClientGone, Incoming
from .permissions import may_be_public
from .problems import Problem, internal_error, problem_of
from .services import HttpOptions
from .tracing import Trace, read_trace

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CLIENT_GONE = 499
"""What the log says instead of a status when the client left before the answer was complete (nginx's custom)."""

DRAIN_RETRY_S = 5

STREAMED = frozenset({("POST", "/v1/artifacts")})
"""Requests whose body is taken as it comes, by whoever serves them, and never whole in memory."""

_LAST = (b"connection", b"close")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_log = structlog.get_logger()


@define(eq=False)
class Exchange:
    """One request and its answer. `owned` is closed when the answer is complete or nobody waits for it any more."""

    request_id: str
    options: HttpOptions
    owned: AsyncExitStack = field(factory=AsyncExitStack)
    body: bytes = b""
    incoming: Incoming | None = None
    """The body, where it was not read before: then `body` is empty."""
    request: "Request | None" = None
    principal: Principal | None = None
    """Who asks; None if nobody is known, and then `refusal` says why."""
    refusal: GatewayError | None = None
    trace: Trace | None = None
    notes: dict[str, Any] = field(factory=dict)
    """What the log says of the request besides."""
    status: int = 0
    sent_bytes: int = 0
    complete: bool = False
    gone: bool = False
    headers_only: bool = False
    drained: asyncio.Event = field(factory=asyncio.Event)
    """Set when the service drains: what has no end of its own ends then."""

    @property
    def route(self) -> str:
        """The route that was matched, which there are only so many of."""
        return (self.request.uri_template if self.request else None) or "none"

    @property
    def final_status(self) -> int:
        """The status that it had in the end."""
        return CLIENT_GONE if self.gone else self.status

    @property
    def base(self) -> str:
        """How the client reaches the service, such as `https://example.com`."""
        return self.request.prefix if self.request else ""


class Request(FalconRequest):
    """Falcon's request, which knows its exchange."""

    __slots__ = ("exchange",)

    def __init__(self, scope: Any, receive: Any, first_event: Any = None, options: Any = None) -> None:
        super().__init__(scope, receive, first_event=first_event, options=options)
        self.exchange: Exchange = scope["exchange"]
        self.exchange.request = self


class RequestScope:
    """The middleware. Once `leaving`, each answer is the last on its connection, so that a proxy that keeps connections
    goes elsewhere without losing a request; once `draining`, new requests are refused while those at work may finish.
    """

    def __init__(self, app: App, access: Access, requests: RequestObserver, options: HttpOptions) -> None:
        self._drained = asyncio.Event()
        self.leaving = False
        self._app = app
        self._access, self._requests = access, requests
        self._options = options

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
        request_id, length, trace = _read_headers(scope)
        exchange = Exchange(request_id, self._options, drained=self._drained, trace=trace)
        NOTES.set(exchange.notes)
        if trace:
            TRACEPARENT.set(trace.parent)
        self._requests.begun()
        try:
            await self._serve(exchange, scope, length, receive, self._answering(exchange, send))
        finally:
            took_s = perf_counter() - begun
            self._requests.answered(scope["method"], exchange.route, exchange.final_status, took_s)
            if self._options.access_log:
                _write_log(exchange, scope, took_s)

    async def _serve(self, exchange: Exchange, scope: Scope, length: int, receive: Receive, send: Send) -> None:
        try:
            self._expect_open(scope)
            await self._find_principal(exchange, scope)
            await self._take_body(exchange, scope, length, receive)
        except GatewayError as error:
            await _send_problem(send, problem_of(error, scope["path"], exchange.request_id))
            return
        except ClientGone:
            exchange.gone = True
            return
        inner = {**scope, "exchange": exchange}
        if scope["method"] == "HEAD":
            inner["method"] = "GET"  # the server leaves out the body
            exchange.headers_only = True
        try:
            await _until_gone(exchange, receive, self._app(inner, _nothing_more, send))
        except asyncio.CancelledError:
            if not self.draining:
                raise
            if not exchange.status:  # the time for running requests is over
                await _send_problem(send, problem_of(_draining(), scope["path"], exchange.request_id))
        except Exception as error:
            _log.error("request.failed", request_id=exchange.request_id, exc_info=error)
            if not exchange.status:
                await _send_problem(send, internal_error(scope["path"], exchange.request_id))

    async def _find_principal(self, exchange: Exchange, scope: Scope) -> None:
        """Find out who asks. Whether that is enough is decided on the matched route; but who is nobody sends no body,
        and is not told which routes there are.
        """
        try:
            exchange.principal = await self._access.principal(_credential(scope))
        except GatewayError as error:
            exchange.refusal = error
            if not may_be_public(scope["method"], scope["path"]):
                raise

    async def _take_body(self, exchange: Exchange, scope: Scope, length: int, receive: Receive) -> None:
        if exchange.principal is None:  # on a route that is for everybody: none of these takes a body
            await _read(Incoming(receive, length, 0))
        elif (scope["method"], scope["path"].rstrip("/")) in STREAMED:
            exchange.incoming = Incoming(receive, length, self._options.upload_limit_bytes)
        else:
            exchange.body = await _read(Incoming(receive, length, self._options.body_limit_bytes))

    def _answering(self, exchange: Exchange, send: Send) -> Send:
        """`send`, which also puts the request's id into the answer and takes notes of it."""
        headers = [(b"x-request-id", exchange.request_id.encode())]
        if exchange.trace:
            headers.append((b"traceparent", exchange.trace.parent.encode()))

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                last = [_LAST] if self.leaving else ()
                message["headers"] = [*message["headers"], *headers, *last]
            else:
                exchange.sent_bytes += len(message.get("body", b""))
                exchange.complete = not message.get("more_body", False)
            await send(message)

        return answer

    def _expect_open(self, scope: Scope) -> None:
        if self.draining and not scope["path"].startswith("/health/"):
            raise _draining()


async def _read(incoming: Incoming) -> bytes:
    return b"".join([piece async for piece in incoming])


def _credential(scope: Scope) -> str | None:
    """What `Authorization: Bearer` or `X-API-Key` shows; of several, which may not mean the same, nothing good."""
    shown = []
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, credential = value.decode("latin-1").strip().partition(" ")
            shown.append(credential.strip() if kind.lower() == "bearer" else "")
        elif name == b"x-api-key":
            shown.append(value.decode("latin-1").strip())
    if len(shown) > 1:
        return ""
    return shown[0] if shown else None


def _draining() -> Draining:
    return Draining(retry_after_s=DRAIN_RETRY_S)


async def _until_gone(exchange: Exchange, receive: Receive, work: Awaitable[None]) -> None:
    """Do the work, unless the client leaves before its end: then cancel it."""
    worker = cast("asyncio.Task[None]", asyncio.current_task())

    async def watch() -> None:
        if exchange.incoming:
            await exchange.incoming.ended.wait()  # until then whoever reads the body notices that the client leaves
        while (await receive())["type"] != "http.disconnect":
            pass
        if not exchange.complete:
            exchange.gone = True
            worker.cancel()

    watcher = asyncio.create_task(watch())
    try:
        async with exchange.owned:
            await work
    except ClientGone:
        exchange.gone = True
    except asyncio.CancelledError:
        if not exchange.gone:
            raise
        worker.uncancel()
    finally:
        watcher.cancel()


async def _nothing_more() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


def _read_headers(scope: Scope) -> tuple[str, int, Trace | None]:
    """The request's id, the client's own if it is well-formed, the announced length, and the trace it belongs to."""
    request_id, length, trace = b"", b"", b""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            request_id = value
        elif name == b"content-length":
            length = value
        elif name == b"traceparent":
            trace = value
    own = _REQUEST_ID.fullmatch(request_id)
    named = request_id.decode() if own else f"req_{secrets.token_hex(12)}"
    return named, int(length) if length.isdigit() else 0, read_trace(trace) if trace else None


async def _send_problem(send: Send, problem: Problem) -> None:
    headers = [(name.encode(), value.encode()) for name, value in problem.headers.items()]
    headers += [
        (b"content-type", problem.content_type.encode()),
        (b"content-length", str(len(problem.body)).encode()),
    ]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": problem.body})


def _write_log(exchange: Exchange, scope: Scope, took_s: float) -> None:
    if exchange.principal:
        exchange.notes["principal"] = exchange.principal.id
    if exchange.trace:
        exchange.notes["trace_id"] = exchange.trace.id
    _log.info(
        "request.completed",
        method=scope["method"],
        route=exchange.route,
        status=exchange.final_status,
        ms=round(took_s * 1000, 1),
        request_id=exchange.request_id,
        bytes=exchange.sent_bytes,
        **exchange.notes,
    )
