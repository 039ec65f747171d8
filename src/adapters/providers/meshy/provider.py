"""Meshy: meshes from words, in two steps, and from a picture. `service.py` says what is spoken and what is not."""

import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import ClassVar, Final

from ....application.artifact_ports import Egress
from ....domain.generation import BackendState, GenerationEvent, GenerationRequest
from ....domain.model import Modality, Model
from ..meshes.files import MESH_LIMIT_BYTES
from ..named_models import NamedModels
from ..result_urls import ResultUrls
from ..tasks import Pace, TaskGenerator, TaskGone
from ..transport.bearer import bearer
from ..transport.json_api import JsonApi
from ..transport.upstream import Limits, Upstream
from .service import MeshyService
from .wire import kind_of, task_in, to_error

PARAMETERS: Final = frozenset({"format", "target_faces", "texture"})


class MeshyProvider:
    """Meshy: a `Generator`, and the `ModelSource` of what may be asked of it."""

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
            base_url: `https://api.meshy.ai`.
            api_key: sent as a bearer token.
            models: names (`meshy-7`, `latest`), which are listed, and patterns (`meshy-*`), which only allow.
            connect_timeout_s: for a connection.
            answer_timeout_s: for each answer, and for a mesh to be copied from this server.
            poll_s: between the first two looks at a task; later ones are up to five times as far apart.
            stalled_s: a task that has begun and stands still for so long is given up.
            task_timeout_s: a task that is not done by then is given up.
            max_connections: all that are open at once.
            egress: the way to meshes that an answer names on other servers, as Meshy's do.
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
        self._service = MeshyService(JsonApi(upstream=self._upstream, to_error=to_error))
        urls = ResultUrls(upstream=self._upstream, egress=egress, what="a mesh", limit_bytes=MESH_LIMIT_BYTES)
        pace = Pace(first_s=poll_s, longest_s=5 * poll_s, stalled_s=stalled_s, deadline_s=task_timeout_s)
        self._tasks = TaskGenerator(self._service, urls, pace, name)

    async def models(self) -> Sequence[Model]:
        """The models that the configuration names."""
        return list(self._models.listed.values())

    def match(self, model_id: str) -> Model | None:
        """The model with that id, if a name or a pattern of the configuration allows it."""
        return self._models.match(model_id)

    def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Have a mesh made."""
        return self._tasks.generate(request, kind_of(request))

    async def forget(self, state: BackendState) -> None:
        """Delete the task at Meshy, with all that belongs to it."""
        with contextlib.suppress(TaskGone):
            await self._service.abandon(task_in(state))

    async def close(self) -> None:
        """Tell Meshy of what was abandoned, and close every connection."""
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
