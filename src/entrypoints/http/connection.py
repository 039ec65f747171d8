"""One connection, held to limits: how large the head of a request is, how long all of it takes, how many there are.

uvicorn's protocol over httptools bounds none of this: a header that never ends grows in memory, and whoever sends a
byte now and then holds a connection for ever. What comes too slowly gets 408, a head that is too large 431, one
connection too many 503, what is no HTTP 400; then the connection ends. It ends without a word where that would stand
before or in the answer to another request.

Nothing here costs a timer where a request comes whole, as almost all do.
"""

import asyncio
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

import msgspec
from attrs import frozen
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .one_write import OneWriteProtocol


@frozen(kw_only=True)
class ConnectionLimits:
    """What clients may do.

    A request's line and headers have at most `head_bytes`, in `headers` lines, and come within `arrival_s`; of its body
    at least `body_rate` bytes a second come, looked at every `arrival_s`. Who takes nothing of an answer for `taking_s`
    while more of it waits has left. One process has at most `connections`.
    """

    head_bytes: int = 32_768
    headers: int = 100
    arrival_s: float = 20.0
    body_rate: int = 500
    taking_s: float = 120.0
    connections: int = 1_000


@frozen
class Refusal:
    """Why a connection ends, told to whom it may help: there is no request yet that a problem object could be about."""

    status: HTTPStatus
    code: str
    detail: str

    def __bytes__(self) -> bytes:
        """The answer, whole."""
        said = {"title": self.status.phrase, "status": self.status.value, "detail": self.detail, "code": self.code}
        body = msgspec.json.encode({"type": f"urn:pluggably:problem:{self.code}", **said})
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        return head.encode() + body


MALFORMED: Final = Refusal(HTTPStatus.BAD_REQUEST, "malformed_request", "What was sent is no HTTP/1.1 request.")
TOO_SLOW: Final = Refusal(HTTPStatus.REQUEST_TIMEOUT, "request_timeout", "The request did not come in time.")
TOO_LARGE: Final = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "The headers are too many, or too large."
)
TOO_MANY: Final = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "too_many_connections", "There are too many connections: try again later."
)


class HeadTooLarge(Exception):
    """Passed on by the parser as an error of its own, for which uvicorn asks for an answer."""


class BoundedConnection(OneWriteProtocol):
    """uvicorn's protocol within `limits`."""

    limits: ClassVar = ConnectionLimits()

    def __init__(self, *args: Any, **wanted: Any) -> None:
        super().__init__(*args, **wanted)
        self._refusal = MALFORMED
        self._in_head = self._in_body = False
        self._unused_bytes = self._body_bytes = 0
        """What came and is of no use yet, and how much of the body came since it was looked at."""
        self._awaited: asyncio.TimerHandle | None = None
        self._taken: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Wait for a request."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(TOO_MANY)
        else:
            self._await(self._look_for_head)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take more of a request, or of several."""
        self._unused_bytes += len(data)
        super().data_received(data)
        if self._unused_bytes > self.limits.head_bytes:  # of one that has not ended, or of what is behind a body
            self._refuse(TOO_LARGE)
        elif self._awaited is None and not self.transport.is_closing():
            if self._in_body:
                self._await(self._look_for_body)
            elif self._in_head or not (self._at_work or self.timeout_keep_alive_task):
                self._await(self._look_for_head)  # also where empty lines come, which begin no request

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._in_head, self._unused_bytes = True, 0

    def on_headers_complete(self) -> None:
        """Its head is there."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.limits.head_bytes or len(self.headers) > self.limits.headers:
            self._refusal = TOO_LARGE
            raise HeadTooLarge
        super().on_headers_complete()
        self._in_head, self._in_body = False, True
        self._unused_bytes = self._body_bytes = 0
        self._stop_waiting()

    def on_body(self, body: bytes) -> None:
        """More of its body."""
        self._unused_bytes = 0
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """All of it is there."""
        self._in_body, self._unused_bytes = False, 0
        self._stop_waiting()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Refuse what cannot be read on."""
        self._refuse(self._refusal)

    def pause_writing(self) -> None:
        """The client does not take the answer as fast as it comes."""
        super().pause_writing()
        self._taken = self.loop.call_later(self.limits.taking_s, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._taken:
            self._taken.cancel()
            self._taken = None

    @property
    def _at_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _await(self, look: Any) -> None:
        self._awaited = self.loop.call_later(self.limits.arrival_s, look)

    def _stop_waiting(self) -> None:
        if self._awaited:
            self._awaited.cancel()
            self._awaited = None

    def _look_for_head(self) -> None:
        if self._at_work:  # what is sent ahead may wait until the request before it is answered
            self._await(self._look_for_head)
        elif self._in_head:
            self._refuse(TOO_SLOW)
        else:
            self.transport.close()

    def _look_for_body(self) -> None:
        if self.flow.read_paused or self._body_bytes >= self.limits.body_rate * self.limits.arrival_s:
            self._body_bytes = 0
            self._await(self._look_for_body)
        else:
            self._refuse(TOO_SLOW)

    def _refuse(self, refusal: Refusal) -> None:
        self._stop_waiting()
        if self.transport.is_closing():
            return
        alone = not (self.pipeline or self.cycle.response_started) if self._in_body else not self._at_work
        if alone:
            self.transport.write(bytes(refusal))
        self.transport.close()


def connection_within(limits: ConnectionLimits) -> type[HttpToolsProtocol]:
    """What uvicorn shall speak HTTP with, within these limits."""
    return cast("type[HttpToolsProtocol]", type("Connection", (BoundedConnection,), {"limits": limits}))
