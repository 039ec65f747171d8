"""A question to a provider and its answer in text: whole, or as a stream of events. What they say is the vendor's own,
and so is what parts them: the framing.

Silence before any output is a timeout; after it, the stream is interrupted.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from time import monotonic
from typing import ClassVar, Final, Protocol

from attrs import frozen

from ....domain.errors import GatewayError, ProviderBadResponse, ProviderTimeout, StreamInterrupted
from ....domain.generation import Completed, GenerationEvent, Started, TextDelta, ToolCallDelta
from .event_stream import EventStream, EventTooLarge
from .reply import Reply
from .statuses import ERROR_LIMIT_BYTES, ToError, expect_success
from .upstream import Target, Upstream

ANSWER_LIMIT_BYTES: Final = 32 * 1024 * 1024


class StreamedAnswer(Protocol):
    """An answer that comes in events: give it the data of each."""

    @property
    def begun(self) -> bool:
        """There is output."""
        ...

    @property
    def done(self) -> bool:
        """All has been said."""
        ...

    def take(self, payload: bytes) -> Sequence[TextDelta | ToolCallDelta]:
        """What one event adds.

        Raises:
            GatewayError: it is an error, or no event of this vendor's.
        """
        ...

    def completed(self) -> Completed:
        """The whole, after the last event.

        Raises:
            StreamInterrupted: no event said that the output is whole.
        """
        ...


class Frames(Protocol):
    """What parts the events of a stream; `media_types` are those that a body has which is such a stream."""

    media_types: ClassVar[tuple[str, ...]]

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that `data` completes, in order.

        Raises:
            EventTooLarge: an unfinished one is larger than the stream accepts.
        """
        ...

    def end(self) -> list[bytes]:
        """The last event, where the end of the stream ends it."""
        ...


@frozen(kw_only=True)
class ErrorTable:
    """A vendor's errors as ours: for an answer that is not 2xx, and for a body of a 2xx that is an error after all."""

    of_status: ToError
    of_body: Callable[[bytes, str], GatewayError | None]


@frozen
class Exchange:
    """The way to ask one server."""

    upstream: Upstream
    errors: ErrorTable
    framing: Callable[[], Frames] = EventStream

    async def whole(
        self, target: Target, body: bytes, read: Callable[[bytes], Completed]
    ) -> AsyncGenerator[GenerationEvent, None]:
        """Ask for an answer in one piece, which `read` understands."""
        yield Started()  # no server says when it takes a request out of its queue
        limits = self.upstream.limits
        reply = await self.upstream.post(target, body)
        try:
            await expect_success(reply, limits.idle_s, self.errors.of_status)
            answer = await reply.whole(limit_bytes=ANSWER_LIMIT_BYTES, timeout_s=limits.first_byte_s)
        finally:
            await reply.close()
        yield read(answer)

    async def streamed(
        self, target: Target, body: bytes, answer: StreamedAnswer
    ) -> AsyncGenerator[GenerationEvent, None]:
        """Ask for an answer in events."""
        yield Started()
        idle_s = self.upstream.limits.idle_s
        reply = await self.upstream.post(target, body)
        try:
            await expect_success(reply, idle_s, self.errors.of_status)
            events = self.framing()
            await expect_events(reply, self.errors, idle_s, events.media_types)
            while not answer.done and (payloads := await self._heard(reply, events, begun=answer.begun)):
                for payload in payloads:
                    for delta in answer.take(payload):
                        yield delta
            for payload in events.end():
                for delta in answer.take(payload):
                    yield delta
            result = answer.completed()
            await reply.settle()
        finally:
            await reply.close()
        yield result

    async def _heard(self, reply: Reply, events: Frames, *, begun: bool) -> list[bytes]:
        """The data of the next events; none at the end.

        What goes wrong before any output (`begun`) can be tried again, later on it interrupts the stream. Pings hold a
        stream open, but not for longer than a first output may take: who sends them may have lost sight of the model.
        """
        limits = self.upstream.limits
        since, silence_s = monotonic(), limits.idle_s if begun else limits.first_byte_s
        try:
            while piece := await reply.piece(silence_s):
                if payloads := fed(events, piece, reply.provider):
                    return payloads
                if monotonic() - since > limits.first_byte_s:
                    raise ProviderTimeout(detail=f"Provider {reply.provider!r} sends signs of life, and nothing else.")
        except ProviderTimeout as exc:
            if begun:
                raise StreamInterrupted(detail=str(exc)) from exc
            raise
        except StreamInterrupted as exc:
            if not begun:
                raise ProviderBadResponse(detail=str(exc)) from exc
            raise
        return []


async def expect_events(
    reply: Reply, errors: ErrorTable, timeout_s: float, media_types: tuple[str, ...] = EventStream.media_types
) -> None:
    """Go on only if the body is a stream of events.

    Raises:
        GatewayError: it is an error object.
        ProviderBadResponse: it is something else.
    """
    if not reply.headers.get("content-type", "").startswith(media_types):
        body = await reply.excerpt(limit_bytes=ERROR_LIMIT_BYTES, timeout_s=timeout_s)
        if error := errors.of_body(body, reply.provider):
            raise error
        raise ProviderBadResponse(detail=f"Provider {reply.provider!r} did not answer with a stream of events.")


def fed(events: Frames, piece: bytes, provider: str) -> list[bytes]:
    """The data of the events that a piece of the body completes.

    Raises:
        ProviderBadResponse: one is too large.
    """
    try:
        return events.feed(piece)
    except EventTooLarge as exc:
        raise ProviderBadResponse(detail=f"Provider {provider!r} sent an event without an end.") from exc
