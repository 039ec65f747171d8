"""Meshy's tasks on the wire and in our words: pure functions of a request, a body, a task.

A task is named by its kind and its id here, such as `text-to-3d/018a…`: the kind is a part of its URLs.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import httpx
import msgspec

from ....domain.errors import (
    ContentPolicyViolation,
    GatewayError,
    InvalidRequest,
    ProviderBadResponse,
    ProviderError,
    ProviderUnavailable,
    StateTokenRefused,
)
from ....domain.generation import BackendState, GenerationRequest, InputFile
from ....domain.parameters import Model3DParameters
from ..media_request import words_of
from ..tasks import TaskGone, TaskStatus
from ..transport.failures import retry_after_s, told
from ..transport.statuses import by_status

FROM_TEXT, FROM_IMAGE = "text-to-3d", "image-to-3d"
PATHS: Final[Mapping[str, str]] = {FROM_TEXT: "/openapi/v2/text-to-3d", FROM_IMAGE: "/openapi/v1/image-to-3d"}

FORMATS: Final = ("glb", "obj")
STATE_KIND: Final = "meshy.task"
PICTURES: Final = ("image/png", "image/jpeg")
LONGEST_PROMPT: Final = 600
FACES: Final = (100, 300_000)
FEW_FACES: Final = (100, 15_000)
"""Of the models that make low-poly topology."""

_TASK: Final = re.compile(r"(text-to-3d|image-to-3d)/[\w-]{1,128}", re.ASCII)


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def kind_of(request: GenerationRequest) -> str:
    """The format that is wanted.

    Raises:
        InvalidRequest: Meshy's meshes do not come in it.
    """
    kind = request.parameters_as(Model3DParameters).format or "glb"
    if kind not in FORMATS:
        raise InvalidRequest.at("/parameters/format", f"this service does not make {kind}", FORMATS)
    return kind


def preview_of(request: GenerationRequest) -> dict[str, Any]:
    """The body that begins a mesh without a texture, from words.

    Raises:
        InvalidRequest: there are none, or a texture is wanted.
    """
    parameters = request.parameters_as(Model3DParameters)
    if parameters.texture:
        message = "a first mesh has none here: send the state token that comes with it to have it textured"
        raise InvalidRequest.at("/parameters/texture", message, ("false",))
    return {"mode": "preview", "prompt": _said(words_of(request)), **_of_any(request), **_faces(request)}


def refinement_of(request: GenerationRequest, state: BackendState) -> dict[str, Any]:
    """The body that textures an earlier mesh, as the words say.

    Raises:
        StateTokenRefused: the state is none of these.
        InvalidRequest: something is wanted that a texture does not change.
    """
    task = task_in(state)
    parameters = request.parameters_as(Model3DParameters)
    if parameters.target_faces is not None:
        raise InvalidRequest.at("/parameters/target_faces", "cannot be changed any more: only the texture is made")
    if parameters.texture is False:
        raise InvalidRequest.at("/parameters/texture", "going on from this state makes the texture", ("true",))
    if request.files:
        raise InvalidRequest.at("/input", "going on from this state, the texture is made from words only")
    return {
        "mode": "refine",
        "preview_task_id": task.partition("/")[2],
        "texture_prompt": _said(words_of(request)),
        "target_formats": [kind_of(request)],
        **({} if _is_smart(request) else {"ai_model": request.model.upstream}),
    }


def from_image(request: GenerationRequest, url: str) -> dict[str, Any]:
    """The body that begins a mesh from a picture, which `url` is."""
    parameters = request.parameters_as(Model3DParameters)
    return {
        "image_url": url,
        **({} if parameters.texture is None else {"should_texture": parameters.texture}),
        **_of_any(request),
        **_faces(request),
    }


def expect_kind(picture: InputFile) -> None:
    """Go on only if the picture is of a kind that Meshy takes.

    Raises:
        InvalidRequest: it is not.
    """
    if picture.media_type not in PICTURES:
        raise InvalidRequest.at("/input", f"this service takes no {picture.media_type}", PICTURES)


def _of_any(request: GenerationRequest) -> dict[str, Any]:
    smart = {"model_type": "smart-topology"} if _is_smart(request) else {}
    return {"ai_model": request.model.upstream, **smart, "target_formats": [kind_of(request)]}


def _faces(request: GenerationRequest) -> dict[str, Any]:
    faces = request.parameters_as(Model3DParameters).target_faces
    if faces is None:
        return {}
    low, high = FEW_FACES if _is_smart(request) else FACES
    if not low <= faces <= high:
        raise InvalidRequest.at("/parameters/target_faces", f"must be between {low} and {high} for this model")
    remeshed = {} if _is_smart(request) else {"should_remesh": True, "topology": "triangle"}
    return {**remeshed, "target_polycount": faces}


def _is_smart(request: GenerationRequest) -> bool:
    """Whether the model makes low-poly topology, which has another type, and a range of its own."""
    return request.model.upstream.startswith("meshy-t")


def _said(words: str) -> str:
    if len(words) > LONGEST_PROMPT:
        raise InvalidRequest.at("/input", f"must have at most {LONGEST_PROMPT} characters for this service")
    return words


def task_in(state: BackendState) -> str:
    """The task that a state names.

    Raises:
        StateTokenRefused: it is not one that this provider gave.
    """
    if state.kind != STATE_KIND or not _TASK.fullmatch(state.value) or not state.value.startswith(FROM_TEXT):
        raise StateTokenRefused(detail="The state token is none of a mesh that this service can texture.")
    return state.value


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Begun(msgspec.Struct):
    """A task that was begun."""

    result: str


class _TaskError(msgspec.Struct):
    message: str | None = None


class WireTask(msgspec.Struct):
    """A task as it is; `model_urls` is empty, or has empty strings, before it is done."""

    status: str
    progress: int = 0
    model_urls: dict[str, str | None] | None = None
    task_error: _TaskError | None = None


def task_named(kind: str, begun: Begun, provider: str) -> str:
    """What names a task from now on.

    Raises:
        ProviderBadResponse: its id is none that could stand in a URL.
    """
    if not _TASK.fullmatch(task := f"{kind}/{begun.result}"):
        raise ProviderBadResponse(detail=f"Provider {provider!r} began a task without a proper id.")
    return task


def status_of(task: WireTask, provider: str) -> TaskStatus:
    """How a task is."""
    match task.status:
        case "SUCCEEDED":
            urls = {kind: url for kind, url in (task.model_urls or {}).items() if url}
            return TaskStatus(percent=100, done=True, urls=urls)
        case "PENDING" | "IN_PROGRESS":
            return TaskStatus(percent=max(0, min(task.progress, 99)))
        case _:
            return TaskStatus(failure=_failure(task, provider))


def _failure(task: WireTask, provider: str) -> GatewayError:
    """What a task failed with. Its words are for people; of those, only what they say of the content counts."""
    words = ((task.task_error and task.task_error.message) or "").lower()
    if any(word in words for word in ("moderation", "nsfw", "harmful", "inappropriate", "policy")):
        return ContentPolicyViolation(detail=told(ContentPolicyViolation, provider=provider, status=200))
    if task.status in ("EXPIRED", "CANCELED"):
        kind: type[GatewayError] = ProviderUnavailable
    else:
        kind = ProviderError if task.status == "FAILED" else ProviderBadResponse
    return kind(detail=told(kind, provider=provider, status=200, code=f"task_{task.status.lower()}"))


def to_error(status: int, headers: Mapping[str, str], _body: bytes, *, provider: str) -> GatewayError:
    """The error for an answer that is not 2xx; Meshy's bodies have prose only."""
    kind = TaskGone if status == httpx.codes.NOT_FOUND else by_status(status)
    failure = kind(detail=told(kind, provider=provider, status=status))
    failure.retry_after_s = retry_after_s(headers)
    return failure
