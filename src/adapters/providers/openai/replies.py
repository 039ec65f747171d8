"""Whether an OpenAI-compatible server answers as it should: its status, and the form of its answer."""

from ....domain.errors import ProviderBadResponse
from ..transport import failures
from ..transport.event_stream import EventStream, EventTooLarge
from ..transport.failures import ERROR_LIMIT_BYTES
from ..transport.reply import Reply
from .errors import error_object, from_object, to_error


async def expect_success(reply: Reply, timeout_s: float) -> None:
    """Go on only if the status is a good one.

    Raises:
        GatewayError: what the status and the body say went wrong.
    """
    await failures.expect_success(reply, timeout_s, to_error)


async def expect_events(reply: Reply, timeout_s: float) -> None:
    """Go on only if the body is a stream of events.

    Raises:
        GatewayError: it is an error object.
        ProviderBadResponse: it is something else.
    """
    if not reply.headers.get("content-type", "").startswith("text/event-stream"):
        body = await reply.excerpt(limit_bytes=ERROR_LIMIT_BYTES, timeout_s=timeout_s)
        if error := error_object(body):
            raise from_object(error, provider=reply.provider)
        raise ProviderBadResponse(detail=f"Provider {reply.provider!r} did not answer with a stream of events.")


def fed(events: EventStream, piece: bytes, provider: str) -> list[bytes]:
    """The data of the events that a piece of the body completes.

    Raises:
        ProviderBadResponse: one is too large.
    """
    try:
        return events.feed(piece)
    except EventTooLarge as exc:
        raise ProviderBadResponse(detail=f"Provider {provider!r} sent an event without an end.") from exc
