"""What a server says of the models that it serves: `GET /models`.

OpenAI's own list has names and nothing else. vLLM and SGLang add `max_model_len`, OpenRouter `context_length`, and
llama.cpp's server `meta.n_ctx_train`: what the model was trained for, where nobody says what the server serves.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from attrs import evolve

from ....domain.model import Model
from ..now_and_then import NowAndThen
from ..transport.json_api import JsonApi


class _Entry(msgspec.Struct):
    id: str
    max_model_len: Any = None
    context_length: Any = None
    meta: Any = None

    @property
    def context(self) -> int | None:
        trained = self.meta.get("n_ctx_train") if isinstance(self.meta, dict) else None
        said = (self.max_model_len, self.context_length, trained)
        return next((it for it in said if type(it) is int and it > 0), None)


class _List(msgspec.Struct):
    data: list[_Entry]


class OpenAIListing:
    """The names of the models of one server, and how much context each takes, as far as it says."""

    def __init__(self, api: JsonApi, fresh_s: float) -> None:
        """Nothing is asked before somebody wants to know."""
        self._api = api
        self._models = api.upstream.at("/models")
        self._contexts: Mapping[str, int | None] = {}
        self._asked = NowAndThen(provider=api.upstream.provider, ask=self._ask, fresh_s=fresh_s)

    async def names(self) -> list[str]:
        """What is known now."""
        await self._asked.if_due()
        return list(self._contexts)

    def described(self, model: Model) -> Model:
        """The model, with what the server said of it."""
        context = self._contexts.get(model.name)
        return evolve(model, context_length=context) if context else model

    async def close(self) -> None:
        """Ask no more."""
        await self._asked.close()

    async def _ask(self) -> None:
        found = await self._api.get(self._models, _List)
        self._contexts = {it.id: it.context for it in found.data}
