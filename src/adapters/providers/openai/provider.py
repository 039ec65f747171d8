"""Any server that speaks OpenAI's API: text by its chat completions, pictures by its images.

`chat.py` and `images.py` say what they speak, in which version, and what they cannot do.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import ClassVar

from ....application.artifact_ports import Egress
from ....domain.errors import StateTokenRefused
from ....domain.generation import BackendState, GenerationEvent, GenerationRequest
from ....domain.model import Modality, Model
from ..model_names import fits
from ..named_models import NamedModels
from ..pictures.files import PICTURE_LIMIT_BYTES
from ..pictures.sizes import named_sizes
from ..result_urls import ResultUrls
from ..transport.bearer import bearer
from ..transport.health import expect_well
from ..transport.json_api import JsonApi
from ..transport.upstream import Limits, Upstream
from .chat import OpenAIChat
from .errors import to_error
from .image_kinds import KNOWN, WIRE_NAMES
from .images import OpenAIImages
from .listing import OpenAIListing
from .models import BEYOND_OPENAI, OpenAIModels


class OpenAIProvider:
    """One OpenAI-compatible server: a `Generator`, and the `ModelSource` of what may be asked of it."""

    takes_egress: ClassVar[bool] = True

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        models: Sequence[str],
        image_models: Sequence[str] = KNOWN,
        image_sizes: Sequence[str] | None = None,
        image_edits: bool | None = None,
        extra_parameters: Sequence[str] | Mapping[str, str] = (),
        list_s: float | None = None,
        connect_timeout_s: float = 5,
        first_byte_timeout_s: float = 600,
        idle_timeout_s: float = 60,
        max_connections: int = 1024,
        egress: Egress | None = None,
    ) -> None:
        """Nothing is connected to before it is asked for.

        Args:
            name: what it is called here.
            base_url: usually ends in `/v1`.
            api_key: sent as a bearer token.
            models: names, which are listed, and patterns (`claude-*`), which only allow.
            image_models: those of them that make pictures, by name or pattern.
            image_sizes: the sizes that they make, such as `512x512`; `*` leaves that to the server.
            image_edits: whether they can begin with a picture.
            extra_parameters: what the server honours beyond OpenAI; as a table, with its own names for them.
            list_s: how long the server's own list of models is believed, of which those are listed that the patterns
                allow; None: it is not asked for.
            connect_timeout_s: for a connection.
            first_byte_timeout_s: for the first output, a whole answer, and each step of a picture.
            idle_timeout_s: later silences of a stream of text end it.
            max_connections: all that are open at once.
            egress: the way to pictures that an answer names on other servers.
        """
        extra = extra_parameters if isinstance(extra_parameters, Mapping) else {it: it for it in extra_parameters}
        kinds = OpenAIModels(
            provider=name,
            allowed=models,
            images=image_models,
            extra_parameters=frozenset(extra),
            image_sizes=None if image_sizes is None else named_sizes(tuple(image_sizes)),
            image_edits=image_edits,
        )
        self._models = NamedModels(provider=name, entries=models, describe=kinds.model)
        self._upstream = Upstream(
            provider=name,
            base_url=base_url,
            headers={
                "Accept": "application/json, text/event-stream",
                "Content-Type": "application/json",
                **bearer(api_key),
            },
            limits=Limits(
                connect_s=connect_timeout_s,
                first_byte_s=first_byte_timeout_s,
                idle_s=idle_timeout_s,
                connections=max_connections,
            ),
        )
        api = JsonApi(upstream=self._upstream, to_error=to_error)
        self._allowed, self._describe = models, kinds.model
        self._listing = None if list_s is None else OpenAIListing(api, list_s)
        renamed = {it: theirs for it, theirs in extra.items() if it != theirs}
        self._chat = OpenAIChat(self._upstream, {it: renamed[it] for it in BEYOND_OPENAI & renamed.keys()})
        urls = ResultUrls(upstream=self._upstream, egress=egress, what="a picture", limit_bytes=PICTURE_LIMIT_BYTES)
        self._images = OpenAIImages(self._upstream, urls, kinds.kind, {**WIRE_NAMES, **renamed})

    async def models(self) -> Sequence[Model]:
        """The models that the configuration names, and those of the server's list that it allows."""
        named = list(self._models.listed.values())
        if self._listing is None:
            return named
        names = await self._listing.names()
        known = {it.name for it in named}
        found = [self._describe(it) for it in sorted(names) if it not in known and fits(it, self._allowed)]
        return [self._listing.described(it) for it in (*named, *found)]

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if a name or a pattern of the configuration allows it."""
        model = self._models.match(model_id)
        return self._listing.described(model) if model and self._listing else model

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Ask the server."""
        if request.state:
            raise StateTokenRefused(detail="This provider keeps no states.")
        makes = self._images if request.modality is Modality.IMAGE else self._chat
        return makes.generate(request)

    async def probe(self) -> None:
        """Ask whether the server is well, at no cost: for its list of models, which it need not have.

        Raises:
            GatewayError: it is not.
        """
        await expect_well(self._upstream, "/models", to_error)

    async def forget(self, state: BackendState) -> None:
        """Nothing to do: it keeps no states."""

    async def close(self) -> None:
        """Close every connection."""
        if self._listing:
            await self._listing.close()
        await self._upstream.close()
