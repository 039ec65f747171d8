"""One request and its answer: what is known of it, and what it owns."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

from attrs import define, field
from falcon.asgi import Request as FalconRequest

from ...application.tracing import SpanContext
from ...domain.access import Principal
from ...domain.errors import GatewayError
from .incoming import Incoming
from .services import HttpOptions

CLIENT_GONE = 499
"""What the log says instead of a status when the client left before the answer was complete (nginx's custom)."""


@define(eq=False)
class Exchange:
    """One request and its answer."""

    request_id: str
    options: HttpOptions
    body: bytes = b""
    incoming: Incoming | None = None
    """The body, where it was not read before: then `body` is empty."""
    request: "Request | None" = None
    principal: Principal | None = None
    """Who asks; None if nobody is known, and then `refusal` says why."""
    refusal: GatewayError | None = None
    trace: SpanContext | None = None
    failure: str | None = None
    """The code of the error that the client was told of."""
    notes: dict[str, Any] = field(factory=dict)
    """What the log says of the request besides."""
    status: int = 0
    sent_bytes: int = 0
    complete: bool = False
    gone: bool = False
    headers_only: bool = False
    drained: asyncio.Event = field(factory=asyncio.Event)
    """Set when the service drains: what has no end of its own ends then."""
    _owned: list[AsyncGenerator[bytes, None]] = field(init=False, factory=list)

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

    def own(self, stream: AsyncGenerator[bytes, None]) -> None:
        """Have a stream closed when the answer is complete, or nobody waits for it any more."""
        self._owned.append(stream)

    async def end(self) -> None:
        """Close what is owned, the newest first."""
        if self._owned:
            async with AsyncExitStack() as stack:
                for stream in self._owned:
                    stack.push_async_callback(stream.aclose)


class Request(FalconRequest):
    """Falcon's request, which knows its exchange."""

    __slots__ = ("exchange",)

    def __init__(self, scope: Any, receive: Any, first_event: Any = None, options: Any = None) -> None:
        super().__init__(scope, receive, first_event=first_event, options=options)
        self.exchange: Exchange = scope["exchange"]
        self.exchange.request = self
