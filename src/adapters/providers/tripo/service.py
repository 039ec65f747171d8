"""Tripo's API v3, as of November 2026: https://developers.tripo3d.ai/en/docs, and its own client `tripo3d` 1.0.

Its v2 (`/v2/openapi/task`) was shut down on 31 October 2026, and the task type `refine_model` with it. What goes on
from an earlier mesh is a new texture (`/v3/models/texture`): each mesh comes with a state for that. Tasks are polled.

A task can neither be cancelled nor deleted: one that nobody waits for any more runs to its end, and is billed.

Not passed on: words beside a picture to begin with, several pictures, rigs, animations, parts, styles, quads, formats
but GLB. Its GLB files may be compressed (EXT_meshopt_compression), which most viewers can read.
"""

from pathlib import Path
from typing import Any, ClassVar, Final

from ....domain.artifact import PICTURES
from ....domain.errors import StateTokenRefused
from ....domain.generation import BackendState, GenerationRequest, InputFile
from ...workspace import in_thread
from ..media_request import picture_of
from ..tasks import TaskGone, TaskStatus
from ..transport.form import Form, FormFile
from ..transport.json_api import JsonApi
from .wire import (
    STATE_KIND,
    Begun,
    Uploaded,
    WireTask,
    begun_task,
    file_token,
    from_image,
    from_words,
    status_of,
    texture_of,
)

FROM_WORDS: Final = "/v3/generation/text-to-model"
FROM_IMAGE: Final = "/v3/generation/image-to-model"
TEXTURE: Final = "/v3/models/texture"
FILES: Final = "/v3/files"
TASKS: Final = "/v3/tasks"


class TripoService:
    """Implements `TaskService`."""

    abandons: ClassVar[bool] = False

    def __init__(self, api: JsonApi) -> None:
        """`api` is Tripo's."""
        self._api, self._provider = api, api.upstream.provider

    async def submit(self, request: GenerationRequest) -> str:
        """Begin a mesh, or a texture for one; a picture is uploaded first."""
        picture = picture_of(request)
        if request.state is not None:
            return await self._texture(request, request.state, picture)
        if picture:
            return await self._begin(FROM_IMAGE, from_image(request, await self._upload(picture)))
        return await self._begin(FROM_WORDS, from_words(request))

    async def look(self, task: str) -> TaskStatus:
        """How it is."""
        return status_of(await self._api.get(self._api.upstream.at(f"{TASKS}/{task}"), WireTask), self._provider)

    async def abandon(self, task: str) -> None:
        """Nothing to do: Tripo has no way to be told."""

    def state(self, task: str, _request: GenerationRequest) -> BackendState | None:
        """Every mesh can get another texture."""
        return BackendState(kind=STATE_KIND, value=task)

    async def _texture(self, request: GenerationRequest, state: BackendState, picture: InputFile | None) -> str:
        texture_of(request, state, None)  # nothing is uploaded for a request that is refused
        token = await self._upload(picture) if picture else None
        try:
            return await self._begin(TEXTURE, texture_of(request, state, token))
        except TaskGone as exc:
            raise StateTokenRefused(detail="The service does not have that mesh any more.") from exc

    async def _begin(self, path: str, body: dict[str, Any]) -> str:
        return begun_task(await self._api.post(self._api.upstream.at(path), body, Begun), self._provider)

    async def _upload(self, picture: InputFile) -> str:
        suffix = PICTURES[picture.media_type]
        file = FormFile(field="file", path=Path(picture.path), filename=f"0.{suffix}", media_type=picture.media_type)
        form = await in_thread(Form, {}, [file])
        return file_token(await self._api.post(self._api.upstream.at(FILES), form, Uploaded), self._provider)
