"""Text from a server of Anthropic's Messages API (`POST /v1/messages`), version 2026-10-21 or 2023-06-01.

https://platform.claude.com/docs/en/api/messages, as of November 2026; llama.cpp's server speaks it too. Text in and
out, pictures in (by base64 or URL), tool calls both ways, JSON by a schema. Anthropic has no `seed`, `min_p` or
`repetition_penalty` and no JSON without a schema; `temperature`, `top_p` and `top_k` are in its older version only, and
there of models up to Claude 4.6.

Thoughts are not shown; with tool calls they are in the state after them (`anthropic.thinking`). Not passed on:
citations, cache marks, batches, documents, and tools that run at Anthropic.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

from ....domain.crossing import SEES_PICTURES
from ....domain.generation import BackendState, GenerationEvent, GenerationRequest
from ....domain.model import Modality, Model
from ....domain.parameters import TEXT_PARAMETERS
from ..model_names import fits
from ..named_models import NamedModels
from ..transport.exchange import Exchange
from ..transport.health import expect_well
from ..transport.upstream import Limits, Upstream
from ..verbatim import Verbatim
from .answer_wire import STATE, from_wire
from .errors import ERRORS
from .request_wire import DEFAULT_MAX_TOKENS, Defaults, to_wire
from .stream_wire import StreamedMessage

VERSIONS: Final = ("2026-10-21", "2023-06-01")

SAMPLING: Final = frozenset({"temperature", "top_p", "top_k"})
WITHOUT_SAMPLING: Final = TEXT_PARAMETERS - SAMPLING - {"seed", "min_p", "repetition_penalty"}

KNOWN_SAMPLING: Final = ("claude-2*", "claude-3*", "*-4-0", "*-4-1*", "*-4-20*", "*-4-5*", "*-4-6*")
"""Patterns of the names of Anthropic's models that took the parameters of sampling: those up to Claude 4.6."""


class AnthropicProvider:
    """One server of Anthropic's API: a `Generator`, and the `ModelSource` of what may be asked of it."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        models: Sequence[str],
        version: str = VERSIONS[0],
        max_tokens: int = DEFAULT_MAX_TOKENS,
        sampling_models: Sequence[str] = KNOWN_SAMPLING,
        thinking: Mapping[str, Any] | None = None,
        connect_timeout_s: float = 5,
        first_byte_timeout_s: float = 600,
        idle_timeout_s: float = 60,
        max_connections: int = 1024,
    ) -> None:
        """Nothing is connected to before it is asked for.

        Args:
            name: what it is called here.
            base_url: usually ends in `/v1`.
            api_key: sent as `x-api-key`.
            models: names, which are listed, and patterns (`claude-*`), which only allow.
            version: of the API: Anthropic's name for it, which is a date.
            max_tokens: the limit of an answer where a request has none; Anthropic wants one.
            sampling_models: those that take `temperature`, `top_p` and `top_k`, by name or pattern; in the older
                version of the API only.
            thinking: Anthropic's own `thinking` object, sent with every request.
            connect_timeout_s: for a connection.
            first_byte_timeout_s: for the first output, or a whole answer.
            idle_timeout_s: later silences of a stream end it.
            max_connections: all that are open at once.
        """
        if version not in VERSIONS:
            raise ValueError(f"version: {version!r} is not one of {list(VERSIONS)}")
        self._name = name
        self._sampling = sampling_models if version == VERSIONS[1] else ()
        self._defaults = Defaults(max_tokens=max_tokens, thinking=thinking)
        self._models = NamedModels(provider=name, entries=tuple(models), describe=self._model)
        self._upstream = Upstream(
            provider=name,
            base_url=base_url,
            headers={
                "Accept": "application/json, text/event-stream",
                "Content-Type": "application/json",
                "anthropic-version": version,
                **({"x-api-key": api_key} if api_key else {}),
            },
            limits=Limits(
                connect_s=connect_timeout_s,
                first_byte_s=first_byte_timeout_s,
                idle_s=idle_timeout_s,
                connections=max_connections,
            ),
        )
        self._exchange, self._url = Exchange(self._upstream, ERRORS), self._upstream.at("/messages")

    async def models(self) -> Sequence[Model]:
        """The models that the configuration names."""
        return list(self._models.listed.values())

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if a name or a pattern of the configuration allows it."""
        return self._models.match(model_id)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the server, going on from its thoughts if they are the request's state."""
        shown = Verbatim.of(request.state, STATE)
        body = to_wire(request, self._defaults, shown)
        if request.stream:
            return self._exchange.streamed(self._url, body, StreamedMessage(request, shown))
        return self._exchange.whole(self._url, body, lambda answer: from_wire(answer, request, shown))

    async def probe(self) -> None:
        """Ask whether the server is well, at no cost: for its list of models.

        Raises:
            GatewayError: it is not.
        """
        await expect_well(self._upstream, "/models?limit=1", ERRORS.of_status)

    async def forget(self, state: BackendState) -> None:
        """Nothing to do: a state is all in the token, and Anthropic keeps none of it."""

    async def close(self) -> None:
        """Close every connection."""
        await self._upstream.close()

    def _model(self, name: str) -> Model:
        return Model(
            id=f"{self._name}/{name}",
            name=name,
            modality=Modality.TEXT,
            provider=self._name,
            upstream=name,
            origin="provider",
            parameters=WITHOUT_SAMPLING | SAMPLING if fits(name, self._sampling) else WITHOUT_SAMPLING,
            capabilities=frozenset({SEES_PICTURES}),
        )
