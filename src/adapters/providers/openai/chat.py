"""Text from a server of OpenAI's chat completions API.

https://platform.openai.com/docs/api-reference/chat, as of 2026; vLLM, llama.cpp, Ollama, OpenRouter and many more
speak it too. Text in and out, pictures in, tool calls. Not passed on: reasoning text, audio, log probabilities and any
output but the first. The limit goes out as `max_tokens`, which OpenAI's reasoning models refuse. Where a server counts
no tokens they are estimated, pictures left out.
"""

from collections.abc import AsyncGenerator, Mapping
from time import monotonic
from typing import Final

from ....domain.errors import ProviderBadResponse, ProviderTimeout, StreamInterrupted
from ....domain.generation import GenerationEvent, GenerationRequest, Started
from ..transport.event_stream import EventStream
from ..transport.reply import Reply
from ..transport.upstream import Upstream
from .chat_wire import StreamedAnswer, from_wire, to_wire
from .replies import expect_events, expect_success, fed

ANSWER_LIMIT_BYTES: Final = 32 * 1024 * 1024


class OpenAIChat:
    """The chat completions of one server."""

    def __init__(self, upstream: Upstream, names: Mapping[str, str]) -> None:
        """`names` are what this server calls parameters that have other names here."""
        self._upstream, self._limits, self._names = upstream, upstream.limits, names
        self._url = upstream.at("/chat/completions")

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the server; a request that does not stream is answered whole, which costs both sides less."""
        return self._streamed(request) if request.stream else self._whole(request)

    async def _whole(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        yield Started()  # the server does not say when it takes a request out of its queue
        reply = await self._upstream.post(self._url, to_wire(request, self._names))
        try:
            await expect_success(reply, self._limits.idle_s)
            body = await reply.whole(limit_bytes=ANSWER_LIMIT_BYTES, timeout_s=self._limits.first_byte_s)
        finally:
            await reply.close()
        yield from_wire(body, request)

    async def _streamed(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        yield Started()
        reply = await self._upstream.post(self._url, to_wire(request, self._names))
        try:
            await expect_success(reply, self._limits.idle_s)
            await expect_events(reply, self._limits.idle_s)
            answer, events = StreamedAnswer(request), EventStream()
            while not answer.done and (payloads := await self._heard(reply, events, begun=answer.begun)):
                for payload in payloads:
                    for delta in answer.take(payload):
                        yield delta
            result = answer.completed()
            await reply.settle()
        finally:
            await reply.close()
        yield result

    async def _heard(self, reply: Reply, events: EventStream, *, begun: bool) -> list[bytes]:
        """The data of the next events; none at the end.

        What goes wrong before any output (`begun`) can be tried again, later on it interrupts the stream. Pings hold a
        stream open, but not for longer than a first output may take: who sends them may have lost sight of the model.
        """
        since, silence_s = monotonic(), self._limits.idle_s if begun else self._limits.first_byte_s
        try:
            while piece := await reply.piece(silence_s):
                if payloads := fed(events, piece, reply.provider):
                    return payloads
                if monotonic() - since > self._limits.first_byte_s:
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
