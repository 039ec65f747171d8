"""Meshy's API, as of November 2026: https://docs.meshy.ai/api/text-to-3d (v2) and /api/image-to-3d (v1).

A mesh from words has two steps: a preview without a texture, whose state a later request goes on from to have it
textured (`mode: refine`). A mesh from a picture has its texture at once. Tasks are polled.

A request that is cancelled has its task deleted, and everything that belongs to it; whether Meshy stops work that has
begun, or bills it, it does not say.
Forgetting a state deletes its task at Meshy; results are kept there for some days anyway.

Not passed on: words beside a picture to begin with, pose, symmetry, size, PBR maps, several pictures, formats but GLB
and OBJ. An OBJ comes without the materials and textures that it names. There is no seed.
"""

from base64 import b64encode
from pathlib import Path
from typing import Any, ClassVar

from ....domain.errors import StateTokenRefused
from ....domain.generation import BackendState, GenerationRequest, InputFile
from ...disk_errors import disk_errors
from ...workspace import in_thread
from ..media_request import picture_of
from ..tasks import TaskGone, TaskStatus
from ..transport.json_api import JsonApi
from ..transport.upstream import Target
from .wire import (
    FROM_IMAGE,
    FROM_TEXT,
    PATHS,
    STATE_KIND,
    Begun,
    WireTask,
    expect_kind,
    from_image,
    preview_of,
    refinement_of,
    status_of,
    task_named,
)


class MeshyService:
    """Implements `TaskService`."""

    abandons: ClassVar[bool] = True

    def __init__(self, api: JsonApi) -> None:
        """`api` is Meshy's."""
        self._api = api

    async def submit(self, request: GenerationRequest) -> str:
        """Begin a preview, a refinement, or a mesh from a picture."""
        if request.state is not None:
            return await self._refine(request, request.state)
        if picture := picture_of(request):
            expect_kind(picture)
            return await self._begin(FROM_IMAGE, from_image(request, await in_thread(_data_url, picture)))
        return await self._begin(FROM_TEXT, preview_of(request))

    async def look(self, task: str) -> TaskStatus:
        """How it is."""
        return status_of(await self._api.get(self._at(task), WireTask), self._api.upstream.provider)

    async def abandon(self, task: str) -> None:
        """Delete it."""
        await self._api.delete(self._at(task))

    def state(self, task: str, request: GenerationRequest) -> BackendState | None:
        """A preview can be gone on from; nothing else can."""
        is_preview = task.startswith(FROM_TEXT) and request.state is None
        return BackendState(kind=STATE_KIND, value=task) if is_preview else None

    async def _refine(self, request: GenerationRequest, state: BackendState) -> str:
        try:
            return await self._begin(FROM_TEXT, refinement_of(request, state))
        except TaskGone as exc:
            raise StateTokenRefused(detail="The service does not have that mesh any more.") from exc

    async def _begin(self, kind: str, body: dict[str, Any]) -> str:
        begun = await self._api.post(self._api.upstream.at(PATHS[kind]), body, Begun)
        return task_named(kind, begun, self._api.upstream.provider)

    def _at(self, task: str) -> Target:
        kind, _, number = task.partition("/")
        return self._api.upstream.at(f"{PATHS[kind]}/{number}")


def _data_url(picture: InputFile) -> str:
    with disk_errors():
        content = Path(picture.path).read_bytes()
    return f"data:{picture.media_type};base64,{b64encode(content).decode()}"
