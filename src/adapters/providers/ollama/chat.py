"""A chat with an Ollama server, whole or line by line."""

from collections.abc import AsyncGenerator

from ....domain.generation import GenerationEvent, GenerationRequest
from ..transport.exchange import ErrorTable, Exchange
from ..transport.lines import Lines
from ..transport.upstream import Upstream
from .wire import Answer, from_wire, of_body, to_error, to_wire


class OllamaChat:
    """The chats of one server."""

    def __init__(self, upstream: Upstream, *, keep_alive: str | float | None, num_ctx: int | None) -> None:
        """`keep_alive` and `num_ctx` are sent with each request, if they are given."""
        self._exchange = Exchange(upstream, ErrorTable(of_status=to_error, of_body=of_body), Lines)
        self._url = upstream.at("/api/chat")
        self._keep_alive, self._num_ctx = keep_alive, num_ctx

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the server; a request that does not stream is answered whole."""
        body = to_wire(request, keep_alive=self._keep_alive, num_ctx=self._num_ctx)
        if request.stream:
            return self._exchange.streamed(self._url, body, Answer(request))
        return self._exchange.whole(self._url, body, lambda answer: from_wire(answer, request))
