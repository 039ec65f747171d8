"""Text and pictures from a server of Google's Gemini API, version v1beta (`generateContent`).

https://ai.google.dev/api/generate-content, as of November 2026. Text in and out, pictures in and out, function calls
both ways, JSON with and without a schema. Gemini has no `min_p` and no `repetition_penalty`. Pictures that a request
names by URL are fetched by Google. `images.py` says what is so of pictures.

Thoughts are not shown; their signatures are in the state after an answer (`gemini.thought_signatures`). Not passed on:
audio and video, safety settings, cached contents, grounding, tools that run at Google, and any candidate but the first.
The project's key goes in a header, never in a URL.
"""

from collections.abc import AsyncGenerator, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from ....domain.crossing import SEES_PICTURES
from ....domain.errors import StateTokenRefused
from ....domain.generation import BackendState, GenerationEvent, GenerationRequest
from ....domain.model import Modality, Model
from ....domain.parameters import TEXT_PARAMETERS
from ..model_names import fits, is_pattern
from ..named_models import NamedModels
from ..transport.exchange import Exchange
from ..transport.health import expect_well
from ..transport.upstream import Limits, Target, Upstream
from ..verbatim import Verbatim
from .answer_wire import STATE, GeminiAnswer, from_wire
from .errors import ERRORS
from .image_kinds import KNOWN, sizes_of
from .images import GeminiImages
from .request_wire import to_wire

TEXT: Final = TEXT_PARAMETERS - {"min_p", "repetition_penalty"}

URLS: Final = 256
"""How many models' URLs are kept made."""


class GeminiProvider:
    """One server of the Gemini API: a `Generator`, and the `ModelSource` of what may be asked of it."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        models: Sequence[str],
        image_models: Sequence[str] = KNOWN,
        connect_timeout_s: float = 5,
        first_byte_timeout_s: float = 600,
        idle_timeout_s: float = 60,
        max_connections: int = 1024,
    ) -> None:
        """Nothing is connected to before it is asked for.

        Args:
            name: what it is called here.
            base_url: usually ends in `/v1beta`.
            api_key: sent as `x-goog-api-key`.
            models: names, which are listed, and patterns (`gemini-*`), which only allow.
            image_models: those of them that make pictures, by name or pattern.
            connect_timeout_s: for a connection.
            first_byte_timeout_s: for the first output, or a whole answer.
            idle_timeout_s: later silences of a stream end it.
            max_connections: all that are open at once.
        """
        if stray := [it for it in image_models if not is_pattern(it) and not fits(it, models)]:
            raise ValueError(f"image_models: {stray[0]!r} is none of its models")
        self._name, self._image_models = name, image_models
        self._models = NamedModels(provider=name, entries=tuple(models), describe=self._model)
        self._upstream = Upstream(
            provider=name,
            base_url=base_url,
            headers={
                "Accept": "application/json, text/event-stream",
                "Content-Type": "application/json",
                **({"x-goog-api-key": api_key} if api_key else {}),
            },
            limits=Limits(
                connect_s=connect_timeout_s,
                first_byte_s=first_byte_timeout_s,
                idle_s=idle_timeout_s,
                connections=max_connections,
            ),
        )
        self._exchange = Exchange(self._upstream, ERRORS)
        self._whole, self._streamed = (lru_cache(URLS)(url) for url in (self._whole_url, self._streamed_url))
        self._images = GeminiImages(self._upstream, self._whole)

    async def models(self) -> Sequence[Model]:
        """The models that the configuration names."""
        return list(self._models.listed.values())

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if a name or a pattern of the configuration allows it."""
        return self._models.match(model_id)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the server, going on from its signatures if they are the request's state."""
        if request.modality is Modality.IMAGE:
            if request.state:
                raise StateTokenRefused(detail="This provider keeps no states between pictures.")
            return self._images.generate(request)
        shown, model = Verbatim.of(request.state, STATE), request.model.upstream
        body = to_wire(request, shown)
        if request.stream:
            return self._exchange.streamed(self._streamed(model), body, GeminiAnswer(request, shown))
        return self._exchange.whole(self._whole(model), body, lambda answer: from_wire(answer, request, shown))

    async def probe(self) -> None:
        """Ask whether the server is well, at no cost: for its list of models.

        Raises:
            GatewayError: it is not.
        """
        await expect_well(self._upstream, "/models?pageSize=1", ERRORS.of_status)

    async def forget(self, state: BackendState) -> None:
        """Nothing to do: a state is all in the token, and Google keeps none of it."""

    async def close(self) -> None:
        """Close every connection."""
        await self._upstream.close()

    def _whole_url(self, model: str) -> Target:
        """A name is one segment of a path, whatever is in it: it may come from a client."""
        return self._upstream.at(f"/models/{quote(model, safe='')}:generateContent")

    def _streamed_url(self, model: str) -> Target:
        return self._upstream.at(f"/models/{quote(model, safe='')}:streamGenerateContent?alt=sse")

    def _model(self, name: str) -> Model:
        pictures = fits(name, self._image_models)
        sides = {"width", "height"} if sizes_of(name) else set()
        return Model(
            id=f"{self._name}/{name}",
            name=name,
            modality=Modality.IMAGE if pictures else Modality.TEXT,
            provider=self._name,
            upstream=name,
            origin="provider",
            parameters=frozenset({"seed", *sides}) if pictures else TEXT,
            capabilities=frozenset({"text-to-image", "image-to-image"} if pictures else {SEES_PICTURES}),
        )
