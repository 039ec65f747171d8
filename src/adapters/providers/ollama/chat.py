"""A chat with an Ollama server, whole or line by line."""

from collections.abc import AsyncGenerator

from ....domain.errors import ProviderBadResponse, ProviderTimeout, StreamInterrupted
from ....domain.generation import GenerationEvent, GenerationRequest, Started
from ..transport.json_api import ANSWER_LIMIT_BYTES
from ..transport.lines import Lines, LineTooLong
from ..transport.reply import Reply
from ..transport.statuses import expect_success
from ..transport.upstream import Upstream
from .wire import Answer, to_error, to_wire


class OllamaChat:
    """The chats of one server."""

    def __init__(self, upstream: Upstream, *, keep_alive: str | float | None, num_ctx: int | None) -> None:
        """`keep_alive` and `num_ctx` are sent with each request, if they are given."""
        self._upstream, self._limits = upstream, upstream.limits
        self._url = upstream.at("/api/chat")
        self._keep_alive, self._num_ctx = keep_alive, num_ctx

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the server; a request that does not stream is answered whole."""
        yield Started()  # the server does not say when it has loaded the model
        body = to_wire(request, keep_alive=self._keep_alive, num_ctx=self._num_ctx)
        reply = await self._upstream.post(self._url, body)
        answer = Answer(request)
        try:
            await expect_success(reply, self._limits.idle_s, to_error)
            if request.stream:
                lines = Lines()
                while not answer.done and (piece := await self._piece(reply, begun=answer.begun)):
                    for line in _fed(lines, piece, reply.provider):
                        for delta in answer.take(line):
                            yield delta
                for line in lines.end():
                    for delta in answer.take(line):
                        yield delta
            else:
                answer.take(await reply.whole(limit_bytes=ANSWER_LIMIT_BYTES, timeout_s=self._limits.first_byte_s))
            result = answer.completed()
            await reply.settle()
        finally:
            await reply.close()
        yield result

    async def _piece(self, reply: Reply, *, begun: bool) -> bytes:
        """The next read. What goes wrong before any output (`begun`) can be tried again, later on it is interrupted."""
        try:
            return await reply.piece(self._limits.idle_s if begun else self._limits.first_byte_s)
        except ProviderTimeout as exc:
            if begun:
                raise StreamInterrupted(detail=str(exc)) from exc
            raise
        except StreamInterrupted as exc:
            if not begun:
                raise ProviderBadResponse(detail=str(exc)) from exc
            raise


def _fed(lines: Lines, piece: bytes, provider: str) -> list[bytes]:
    try:
        return lines.feed(piece)
    except LineTooLong as exc:
        raise ProviderBadResponse(detail=f"Provider {provider!r} sent a line without an end.") from exc
