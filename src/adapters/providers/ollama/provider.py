"""Ollama by its native API: `/api/chat`, and `/api/tags` with `/api/show` for what models it has.

https://docs.ollama.com/api, as of November 2026. Text in and out, pictures in, tool calls, JSON by a schema. A
conversation that is longer than the context is refused (`truncate: false`); older servers, which do not know this, cut
off its beginning. Not passed on: the text of thoughts, log probabilities, the choice of a tool. It fetches no pictures:
they come as data. A request that ends early closes the connection, which ends the work there.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from ....domain.errors import StateTokenRefused
from ....domain.generation import BackendState, GenerationEvent, GenerationRequest
from ....domain.model import Model
from ..transport.bearer import bearer
from ..transport.health import expect_well
from ..transport.json_api import JsonApi
from ..transport.upstream import Limits, Upstream
from .chat import OllamaChat
from .listing import OllamaModels
from .wire import to_error


class OllamaProvider:
    """One Ollama server: a `Generator`, and the `ModelSource` of what it has."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        models: Sequence[str],
        keep_alive: str | float | None = None,
        num_ctx: int | None = None,
        list_s: float = 30,
        list_timeout_s: float = 5,
        connect_timeout_s: float = 5,
        first_byte_timeout_s: float = 600,
        idle_timeout_s: float = 60,
        max_connections: int = 1024,
    ) -> None:
        """Nothing is connected to before it is asked for.

        Args:
            name: what it is called here.
            base_url: such as `http://127.0.0.1:11434`.
            api_key: sent as a bearer token, for servers behind something that wants one.
            models: names, which are always listed, and patterns (`*`), of which those are listed that the server has.
            keep_alive: how long a model stays loaded after a request (`10m`, seconds, or -1 for ever).
            num_ctx: the length of the context in tokens; a model is loaded again when it changes.
            list_s: how long a list of models is good.
            list_timeout_s: for each answer about models.
            connect_timeout_s: for a connection.
            first_byte_timeout_s: for the first output, which may need the model to be loaded, or a whole answer.
            idle_timeout_s: later silences end a stream.
            max_connections: all that are open at once.
        """
        headers = {
            "Accept": "application/json, application/x-ndjson",
            "Content-Type": "application/json",
            **bearer(api_key),
        }
        self._upstream, self._about = (
            Upstream(
                provider=name,
                base_url=base_url,
                headers=headers,
                limits=Limits(connect_s=connect_timeout_s, first_byte_s=first, idle_s=idle, connections=connections),
            )
            for first, idle, connections in (
                (first_byte_timeout_s, idle_timeout_s, max_connections),
                (list_timeout_s, list_timeout_s, 1),
            )
        )
        self._chat = OllamaChat(self._upstream, keep_alive=keep_alive, num_ctx=num_ctx)
        self._models = OllamaModels(JsonApi(upstream=self._about, to_error=to_error), name, models, list_s)

    async def models(self) -> Sequence[Model]:
        """The models that the configuration names, and those that the server has and it allows."""
        return await self._models.models()

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if a name or a pattern of the configuration allows it."""
        return self._models.match(model_id)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the server."""
        if request.state:
            raise StateTokenRefused(detail="This provider keeps no states.")
        return self._chat.generate(request)

    async def probe(self) -> None:
        """Ask whether the server is well, at no cost: for its list of models.

        Raises:
            GatewayError: it is not.
        """
        await expect_well(self._about, "/api/tags", to_error)

    async def forget(self, state: BackendState) -> None:
        """Nothing to do: it keeps no states."""

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(self._models.close(), self._about.close(), self._upstream.close())
