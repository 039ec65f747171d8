"""Text from a server of OpenAI's chat completions API.

https://platform.openai.com/docs/api-reference/chat, as of 2026; vLLM, llama.cpp, Ollama, OpenRouter and many more
speak it too. Text in and out, pictures in, tool calls. Not passed on: reasoning text, audio, log probabilities and any
output but the first. The limit goes out as `max_tokens`, which OpenAI's reasoning models refuse. Where a server counts
no tokens they are estimated, pictures left out.
"""

from collections.abc import AsyncGenerator, Mapping

from ....domain.generation import GenerationEvent, GenerationRequest
from ..transport.exchange import Exchange
from ..transport.upstream import Upstream
from .chat_wire import StreamedChat, from_wire, to_wire
from .errors import ERRORS


class OpenAIChat:
    """The chat completions of one server."""

    def __init__(self, upstream: Upstream, names: Mapping[str, str]) -> None:
        """`names` are what this server calls parameters that have other names here."""
        self._exchange, self._names = Exchange(upstream, ERRORS), names
        self._url = upstream.at("/chat/completions")

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the server; a request that does not stream is answered whole, which costs both sides less."""
        body = to_wire(request, self._names)
        if request.stream:
            return self._exchange.streamed(self._url, body, StreamedChat(request))
        return self._exchange.whole(self._url, body, lambda answer: from_wire(answer, request))
