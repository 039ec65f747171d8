"""Hugging Face's inference providers, behind their common router: text, and pictures by Hugging Face's own inference.

https://huggingface.co/docs/inference-providers, as of November 2026. Text is OpenAI's chat completions, so that what
`openai/chat.py` says holds here too. Models are named as on the Hub, `owner/name`, and may say who is to run them:
`owner/name:groq`, or `:fastest`, `:cheapest`. Pictures are asked of `hf-inference` only: every other provider has an
API of its own there. Not there: image-to-image, video, speech, embeddings; what the router has is not listed.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from ....domain.crossing import SEES_PICTURES
from ....domain.errors import StateTokenRefused
from ....domain.generation import BackendState, GenerationEvent, GenerationRequest
from ....domain.model import Modality, Model
from ....domain.parameters import TEXT_PARAMETERS
from ..model_names import fits
from ..named_models import NamedModels
from ..openai.chat import OpenAIChat
from ..openai.errors import to_error
from ..openai.models import BEYOND_OPENAI
from ..transport.bearer import bearer
from ..transport.health import expect_well
from ..transport.upstream import Limits, Upstream
from .images import PARAMETERS, HuggingFaceImages, repository

CHAT_PATH: Final = "/v1"


class HuggingFaceProvider:
    """Hugging Face's router: a `Generator`, and the `ModelSource` of what may be asked of it."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        models: Sequence[str],
        image_models: Sequence[str] = (),
        vision_models: Sequence[str] = (),
        extra_parameters: Sequence[str] = (),
        connect_timeout_s: float = 5,
        first_byte_timeout_s: float = 600,
        idle_timeout_s: float = 60,
        max_connections: int = 1024,
    ) -> None:
        """Nothing is connected to before it is asked for.

        Args:
            name: what it is called here.
            base_url: `https://router.huggingface.co/v1`.
            api_key: an access token that may call inference providers.
            models: names, which are listed, and patterns (`Qwen/*`), which only allow.
            image_models: those of them that make pictures, by name or pattern.
            vision_models: those of them that are shown pictures, by name or pattern.
            extra_parameters: `top_k`, `min_p`, `repetition_penalty`, where the providers that run the models take them.
            connect_timeout_s: for a connection.
            first_byte_timeout_s: for the first output, a whole answer, and a picture.
            idle_timeout_s: later silences end a stream.
            max_connections: all that are open at once, for text and for pictures each.
        """
        if unknown := set(extra_parameters) - BEYOND_OPENAI:
            raise ValueError(f"extra_parameters: {sorted(unknown)[0]!r} is not one of {sorted(BEYOND_OPENAI)}")
        self._name, self._images_of, self._vision_of = name, tuple(image_models), tuple(vision_models)
        self._text_parameters = (TEXT_PARAMETERS - BEYOND_OPENAI) | frozenset(extra_parameters)
        self._models = NamedModels(provider=name, entries=tuple(models), describe=self._model)
        limits = Limits(
            connect_s=connect_timeout_s,
            first_byte_s=first_byte_timeout_s,
            idle_s=idle_timeout_s,
            connections=max_connections,
        )
        root = base_url.rstrip("/").removesuffix(CHAT_PATH)
        self._upstream, self._router = (
            Upstream(
                provider=name,
                base_url=url,
                headers={
                    "Accept": accept,
                    "Content-Type": "application/json",
                    **bearer(api_key),
                },
                limits=limits,
            )
            for url, accept in ((f"{root}{CHAT_PATH}", "application/json, text/event-stream"), (root, "image/png"))
        )
        self._chat, self._images = OpenAIChat(self._upstream, {}), HuggingFaceImages(self._router)

    async def models(self) -> Sequence[Model]:
        """The models that the configuration names."""
        return list(self._models.listed.values())

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if a name or a pattern of the configuration allows it."""
        return self._models.match(model_id)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the router."""
        if request.state:
            raise StateTokenRefused(detail="This provider keeps no states.")
        makes = self._images if request.modality is Modality.IMAGE else self._chat
        return makes.generate(request)

    async def probe(self) -> None:
        """Ask whether the server is well, at no cost: for its list of models.

        Raises:
            GatewayError: it is not.
        """
        await expect_well(self._upstream, "/models", to_error)

    async def forget(self, state: BackendState) -> None:
        """Nothing to do: it keeps no states."""

    async def close(self) -> None:
        """Close every connection."""
        await asyncio.gather(self._upstream.close(), self._router.close())

    def _model(self, name: str) -> Model | None:
        """None for a picture that another provider would have to make."""
        makes_pictures = fits(name, self._images_of)
        if makes_pictures and repository(name) is None:
            return None
        sees = {SEES_PICTURES} if fits(name, self._vision_of) else set()
        return Model(
            id=f"{self._name}/{name}",
            name=name,
            modality=Modality.IMAGE if makes_pictures else Modality.TEXT,
            provider=self._name,
            upstream=name,
            origin="provider",
            parameters=frozenset(PARAMETERS) if makes_pictures else self._text_parameters,
            capabilities=frozenset({"text-to-image"} if makes_pictures else sees),
        )
