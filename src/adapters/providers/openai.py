"""Any server that speaks OpenAI's chat completions API.

https://platform.openai.com/docs/api-reference/chat, as of 2026; vLLM, llama.cpp, Ollama, OpenRouter and many more
speak it too. Text in and out, pictures in, tool calls. Not passed on: reasoning text, audio, log probabilities and any
output but the first. The limit goes out as `max_tokens`, which OpenAI's reasoning models refuse. Where a server counts
no tokens they are estimated, pictures left out.
"""

from collections.abc import AsyncGenerator, Sequence
from fnmatch import fnmatchcase
from typing import Final

from ...domain.errors import ProviderBadResponse, ProviderTimeout, StateTokenRefused, StreamInterrupted
from ...domain.generation import BackendState, GenerationEvent, GenerationRequest, Started
from ...domain.model import Modality, Model
from ...domain.parameters import TEXT_PARAMETERS
from .event_stream import EventStream, EventTooLarge
from .openai_errors import error_object, from_object, to_error
from .openai_wire import StreamedAnswer, from_wire, to_wire
from .upstream import Limits, Reply, Upstream

BEYOND_OPENAI: Final = frozenset({"top_k", "min_p", "repetition_penalty"})
"""The text parameters that OpenAI does not have; many compatible servers do."""

ANSWER_LIMIT_BYTES: Final = 32 * 1024 * 1024
ERROR_LIMIT_BYTES: Final = 64 * 1024


class OpenAIProvider:
    """One OpenAI-compatible server: a `Generator`, and the `ModelSource` of what may be asked of it.

    `base_url` usually ends in `/v1`. `models` are names, which are listed, and patterns (`claude-*`), which only allow.
    `extra_parameters` are those of `top_k`, `min_p` and `repetition_penalty` that this server honours. The first output
    may take `first_byte_timeout_s`, a whole answer too; later silences of a stream end it after `idle_timeout_s`.
    """

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        models: Sequence[str],
        extra_parameters: Sequence[str] = (),
        connect_timeout_s: float = 5,
        first_byte_timeout_s: float = 600,
        idle_timeout_s: float = 60,
        max_connections: int = 1024,
    ) -> None:
        if unknown := set(extra_parameters) - BEYOND_OPENAI:
            raise ValueError(f"extra_parameters: {', '.join(sorted(unknown))} is not one of {sorted(BEYOND_OPENAI)}")
        self.name = name
        self._parameters = (TEXT_PARAMETERS - BEYOND_OPENAI) | frozenset(extra_parameters)
        self._patterns = tuple(entry for entry in models if _is_pattern(entry))
        listed = (self._model(entry) for entry in models if not _is_pattern(entry))
        self._listed = {model.id: model for model in listed}
        self._limits = Limits(
            connect_s=connect_timeout_s,
            first_byte_s=first_byte_timeout_s,
            idle_s=idle_timeout_s,
            connections=max_connections,
        )
        self._upstream = Upstream(
            provider=name,
            url=f"{base_url.rstrip('/')}/chat/completions",
            headers={
                "Accept": "application/json, text/event-stream",
                "Content-Type": "application/json",
                **({"Authorization": f"Bearer {api_key}"} if api_key else {}),
            },
            limits=self._limits,
        )

    async def models(self) -> Sequence[Model]:
        """The models that the configuration names."""
        return list(self._listed.values())

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if a name or a pattern of the configuration allows it."""
        if model_id in self._listed:
            return self._listed[model_id]
        provider, _, name = model_id.partition("/")
        if provider == self.name and name and any(fnmatchcase(name, pattern) for pattern in self._patterns):
            return self._model(name)
        return None

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the server; a request that does not stream is answered whole, which costs both sides less."""
        if request.state:
            raise StateTokenRefused(detail="This provider keeps no states.")
        return self._streamed(request) if request.stream else self._whole(request)

    async def forget(self, state: BackendState) -> None:
        """Nothing to do: it keeps no states."""

    async def close(self) -> None:
        """Close every connection."""
        await self._upstream.close()

    async def _whole(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        yield Started()  # the server does not say when it takes a request out of its queue
        reply = await self._upstream.post(to_wire(request))
        try:
            await self._expect_success(reply)
            body = await reply.whole(limit_bytes=ANSWER_LIMIT_BYTES, timeout_s=self._limits.first_byte_s)
        finally:
            await reply.close()
        yield from_wire(body, request)

    async def _streamed(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        yield Started()
        reply = await self._upstream.post(to_wire(request))
        try:
            await self._expect_success(reply)
            await self._expect_events(reply)
            answer, events = StreamedAnswer(request), EventStream()
            while not answer.done and (piece := await self._piece(reply, answer)):
                for payload in _feed(events, piece, self.name):
                    for delta in answer.take(payload):
                        yield delta
            result = answer.completed()
            await reply.settle()
        finally:
            await reply.close()
        yield result

    async def _expect_success(self, reply: Reply) -> None:
        if not reply.is_success:
            body = await reply.excerpt(limit_bytes=ERROR_LIMIT_BYTES, timeout_s=self._limits.idle_s)
            raise to_error(reply.status, reply.headers, body, provider=self.name)

    async def _expect_events(self, reply: Reply) -> None:
        if not reply.headers.get("content-type", "").startswith("text/event-stream"):
            body = await reply.excerpt(limit_bytes=ERROR_LIMIT_BYTES, timeout_s=self._limits.idle_s)
            if error := error_object(body):
                raise from_object(error, provider=self.name)
            raise ProviderBadResponse(detail=f"Provider {self.name!r} did not answer with a stream of events.")

    async def _piece(self, reply: Reply, answer: StreamedAnswer) -> bytes:
        """The next read. Silence before any output is a timeout; after it, the stream is interrupted."""
        if not answer.begun:
            return await reply.piece(self._limits.first_byte_s)
        try:
            return await reply.piece(self._limits.idle_s)
        except ProviderTimeout as exc:
            raise StreamInterrupted(detail=str(exc)) from exc

    def _model(self, name: str) -> Model:
        return Model(
            id=f"{self.name}/{name}",
            name=name,
            modality=Modality.TEXT,
            provider=self.name,
            upstream=name,
            origin="provider",
            parameters=self._parameters,
        )


def _is_pattern(name: str) -> bool:
    return any(character in name for character in "*?[")


def _feed(events: EventStream, piece: bytes, provider: str) -> list[bytes]:
    try:
        return events.feed(piece)
    except EventTooLarge as exc:
        raise ProviderBadResponse(detail=f"Provider {provider!r} sent an event without an end.") from exc
