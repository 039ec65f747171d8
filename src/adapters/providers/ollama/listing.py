"""What models an Ollama server has, found out beside requests and remembered for a while."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from ....domain.crossing import SEES_PICTURES
from ....domain.errors import GatewayError
from ....domain.model import Modality, Model, ModelStatus
from ..model_names import allowed_name, fits, listed
from ..now_and_then import NowAndThen
from ..transport.json_api import JsonApi
from .wire import PARAMETERS

_LATEST: Final = ":latest"
_CAPABILITIES: Final = frozenset({SEES_PICTURES, "tools"})
"""What Ollama calls as we do."""


class _Details(msgspec.Struct):
    quantization_level: str | None = None


class _Tag(msgspec.Struct):
    name: str
    size: int | None = None
    digest: str | None = None
    details: _Details | None = None


class _Tags(msgspec.Struct):
    models: list[_Tag] = []


class _Shown(msgspec.Struct):
    capabilities: list[str] | None = None
    model_info: dict[str, Any] | None = None

    @property
    def context_length(self) -> int | None:
        info = self.model_info or {}
        length = info.get(f"{info.get('general.architecture')}.context_length")
        return length if isinstance(length, int) else None


class _Found(msgspec.Struct, frozen=True):
    """A model as the server has it."""

    tag: _Tag
    shown: _Shown


class OllamaModels:
    """The models of one server that a configuration allows: names, which are always listed, and patterns.

    A name without a tag means `latest`, as Ollama has it.
    """

    def __init__(self, api: JsonApi, provider: str, allowed: Sequence[str], fresh_s: float) -> None:
        """Nothing is asked before somebody wants to know."""
        self._api, self._provider, self._allowed = api, provider, tuple(allowed)
        self._tags, self._show = api.upstream.at("/api/tags"), api.upstream.at("/api/show")
        self._found: Mapping[str, _Found] = {}
        self._asked = NowAndThen(provider=provider, ask=self._ask, fresh_s=fresh_s)

    async def models(self) -> Sequence[Model]:
        """What is known now, by name."""
        await self._asked.if_due()
        named = set(listed(self._allowed))
        known = {_tagged(name) for name in named}
        found = {name for name in self._found if name not in known and fits(name, self._allowed)}
        return [self._model(name) for name in sorted(named | found)]

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if it is allowed."""
        name = allowed_name(model_id, self._provider, self._allowed)
        return self._model(name) if name else None

    async def close(self) -> None:
        """Ask no more."""
        await self._asked.close()

    async def _ask(self) -> None:
        """Find out what there is; a model is looked at once, and again when it changes."""
        tags = await self._api.get(self._tags, _Tags)
        self._found = {tag.name: await self._described(tag) for tag in tags.models}

    async def _described(self, tag: _Tag) -> _Found:
        known = self._found.get(tag.name)
        if known is not None and known.tag.digest == tag.digest:
            return known
        try:
            return _Found(tag, await self._api.post(self._show, {"model": tag.name}, _Shown))
        except GatewayError:  # what is not known of this one is no reason to know nothing of the others
            return _Found(tag, _Shown())

    def _model(self, name: str) -> Model:
        found = self._found.get(_tagged(name))
        tag, shown = (found.tag, found.shown) if found else (_Tag(name), _Shown())
        able = None if shown.capabilities is None else frozenset(shown.capabilities)
        chats = able is None or "completion" in able
        return Model(
            id=f"{self._provider}/{name}",
            name=name,
            modality=Modality.TEXT,
            provider=self._provider,
            upstream=name,
            origin="provider",
            parameters=PARAMETERS if able is None or "tools" in able else PARAMETERS - {"tools"},
            capabilities=_CAPABILITIES & (able or frozenset()),
            size_bytes=tag.size,
            quantization=tag.details.quantization_level if tag.details else None,
            context_length=shown.context_length,
            version=tag.digest and tag.digest[:12],
            status=ModelStatus.AVAILABLE if chats else ModelStatus.UNSUPPORTED,
            reason=None if chats else "It does not chat: the server has it for something else.",
        )


def _tagged(name: str) -> str:
    """What Ollama calls a model with that name."""
    return name if ":" in name.rpartition("/")[2] else f"{name}{_LATEST}"
