"""Tripo: meshes from words and from a picture, and new textures. `service.py` says what is spoken and what is not."""

from collections.abc import AsyncGenerator, Sequence
from typing import ClassVar, Final

from ....application.artifact_ports import Egress
from ....domain.errors import GatewayError
from ....domain.generation import BackendState, GenerationEvent, GenerationRequest
from ....domain.model import Modality, Model
from ..meshes.files import MESH_LIMIT_BYTES
from ..named_models import NamedModels
from ..result_urls import ResultUrls
from ..tasks import Pace, TaskGenerator
from ..transport.bearer import bearer
from ..transport.json_api import JsonApi
from ..transport.upstream import Limits, Upstream
from .service import TripoService
from .wire import to_error

PARAMETERS: Final = frozenset({"seed", "target_faces", "texture"})


class TripoProvider:
    """Tripo: a `Generator`, and the `ModelSource` of what may be asked of it."""

    takes_egress: ClassVar[bool] = True

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        api_key: str | None,
        models: Sequence[str],
        connect_timeout_s: float = 5,
        answer_timeout_s: float = 60,
        poll_s: float = 2,
        stalled_s: float = 600,
        task_timeout_s: float = 1800,
        max_connections: int = 256,
        egress: Egress | None = None,
    ) -> None:
        """Nothing is connected to before it is asked for.

        Args:
            name: what it is called here.
            base_url: `https://openapi.tripo3d.ai`, or `https://openapi.tripo3d.com` for accounts in China.
            api_key: sent as a bearer token.
            models: versions (`v3.1-20260211`), which are listed, and patterns (`v3*`), which only allow.
            connect_timeout_s: for a connection.
            answer_timeout_s: for each answer, and for a mesh to be copied from this server.
            poll_s: between the first two looks at a task; later ones are up to five times as far apart.
            stalled_s: a task that has begun and stands still for so long is given up.
            task_timeout_s: a task that is not done by then is given up.
            max_connections: all that are open at once.
            egress: the way to meshes that an answer names on other servers, as Tripo's do.
        """
        self._name = name
        self._models = NamedModels(provider=name, entries=tuple(models), describe=self._model)
        self._upstream = Upstream(
            provider=name,
            base_url=base_url,
            headers={
                "Accept": "application/json",
                "Content-Type": "application/json",
                **bearer(api_key),
            },
            limits=Limits(
                connect_s=connect_timeout_s,
                first_byte_s=answer_timeout_s,
                idle_s=answer_timeout_s,
                connections=max_connections,
            ),
        )
        service = TripoService(JsonApi(upstream=self._upstream, to_error=to_error))
        urls = ResultUrls(upstream=self._upstream, egress=egress, what="a mesh", limit_bytes=MESH_LIMIT_BYTES)
        pace = Pace(first_s=poll_s, longest_s=5 * poll_s, stalled_s=stalled_s, deadline_s=task_timeout_s)
        self._tasks = TaskGenerator(service, urls, pace, name)

    async def models(self) -> Sequence[Model]:
        """The models that the configuration names."""
        return list(self._models.listed.values())

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if a name or a pattern of the configuration allows it."""
        return self._models.match(model_id)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Have a mesh made, as GLB."""
        return self._tasks.generate(request, "glb")

    async def forget(self, state: BackendState) -> None:
        """Tripo cannot be asked to.

        Raises:
            GatewayError: always; the mesh may still be there.
        """
        raise GatewayError(detail=f"Provider {self._name!r} has no way to delete {state.kind} states.")

    async def close(self) -> None:
        """Close every connection."""
        await self._tasks.close()
        await self._upstream.close()

    def _model(self, name: str) -> Model:
        return Model(
            id=f"{self._name}/{name}",
            name=name,
            modality=Modality.MODEL_3D,
            provider=self._name,
            upstream=name,
            origin="provider",
            parameters=PARAMETERS,
            capabilities=frozenset({"text-to-3d", "image-to-3d"}),
        )
