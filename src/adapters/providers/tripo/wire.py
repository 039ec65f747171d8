"""Tripo's tasks on the wire and in our words: pure functions of a request, a body, a task.

Every answer is an envelope with a `code`, which is 0 if all is well, and decides before the HTTP status if it is not.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ....domain import errors
from ....domain.errors import GatewayError, InvalidRequest, ProviderBadResponse, StateTokenRefused
from ....domain.generation import BackendState, GenerationRequest
from ....domain.parameters import Model3DParameters
from ..media_request import prompt_of, words_of
from ..tasks import TaskGone, TaskStatus
from ..transport.failures import retry_after_s, told
from ..transport.statuses import by_status

STATE_KIND: Final = "tripo.task"
LONGEST_PROMPT: Final = 1024

BY_CODE: Final[Mapping[int, type[GatewayError]]] = {
    1002: errors.ProviderAuthFailed,
    1003: errors.InvalidRequest,
    1004: errors.InvalidRequest,
    2000: errors.ProviderRateLimited,
    2001: TaskGone,
    2002: errors.InvalidRequest,
    2003: errors.InvalidRequest,  # no picture
    2004: errors.InvalidRequest,  # a picture of another kind
    2006: errors.StateTokenRefused,  # the earlier task is of another kind
    2007: errors.StateTokenRefused,  # the earlier task did not succeed
    2008: errors.ContentPolicyViolation,
    2010: errors.ProviderQuotaExhausted,
    2014: errors.ProviderError,
    2015: errors.ModelNotFound,  # a version that is not there any more
}

_TASK: Final = re.compile(r"[\w-]{1,128}", re.ASCII)


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def from_words(request: GenerationRequest) -> dict[str, Any]:
    """The body that begins a mesh from words.

    Raises:
        InvalidRequest: there are none, or too many.
    """
    seed = request.parameters.seed
    image_seed = {} if seed is None else {"image_seed": seed}  # words become a picture first
    return {"prompt": _said(words_of(request)), **image_seed, **_of_any(request)}


def from_image(request: GenerationRequest, token: str) -> dict[str, Any]:
    """The body that begins a mesh from a picture that was uploaded."""
    return {"input": token, **_of_any(request)}


def texture_of(request: GenerationRequest, state: BackendState, token: str | None) -> dict[str, Any]:
    """The body that gives an earlier mesh a new texture, as the words say or as a picture shows.

    Raises:
        StateTokenRefused: the state is none of these.
        InvalidRequest: something is wanted that a texture does not change.
    """
    task, parameters, words = task_in(state), request.parameters_as(Model3DParameters), _said(prompt_of(request))
    if parameters.target_faces is not None:
        raise InvalidRequest.at("/parameters/target_faces", "cannot be changed any more: only the texture is made")
    if parameters.texture is False:
        raise InvalidRequest.at("/parameters/texture", "going on from this state makes the texture", ("true",))
    wanted = {**({"text": words} if words else {}), **({"image": token} if token else {})}
    seed = {} if parameters.seed is None else {"texture_seed": parameters.seed}
    return {"input": task, "texture_prompt": wanted, **seed}


def _of_any(request: GenerationRequest) -> dict[str, Any]:
    """What both ways are told. PBR maps, which Tripo makes unless told not to, would bring the texture back."""
    parameters = request.parameters_as(Model3DParameters)
    body: dict[str, Any] = {"model": request.model.upstream}
    if parameters.seed is not None:
        body |= {"model_seed": parameters.seed, "texture_seed": parameters.seed}
    if parameters.target_faces is not None:
        body["face_limit"] = parameters.target_faces
    if parameters.texture is not None:
        body |= {"texture": parameters.texture, "pbr": parameters.texture}
    return body


def _said(words: str) -> str:
    if len(words) > LONGEST_PROMPT:
        raise InvalidRequest.at("/input", f"must have at most {LONGEST_PROMPT} characters for this service")
    return words


def task_in(state: BackendState) -> str:
    """The task that a state names.

    Raises:
        StateTokenRefused: it is not one that this provider gave.
    """
    if state.kind != STATE_KIND or not _TASK.fullmatch(state.value):
        raise StateTokenRefused(detail="The state token is none of a mesh that this service can go on from.")
    return state.value


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────


class _Envelope(msgspec.Struct):
    code: int = 0


class _BegunTask(msgspec.Struct):
    task_id: str


class Begun(_Envelope):
    """A task that was begun."""

    data: _BegunTask | None = None


class _UploadedFile(msgspec.Struct):
    file_token: str


class Uploaded(_Envelope):
    """A file that was uploaded."""

    data: _UploadedFile | None = None


class _Output(msgspec.Struct):
    """The mesh; tasks of older models, and without a texture, have other names for it."""

    model_url: str | None = None
    pbr_model_url: str | None = None
    base_model_url: str | None = None

    @property
    def url(self) -> str | None:
        return self.model_url or self.pbr_model_url or self.base_model_url


class _Task(msgspec.Struct):
    status: str
    progress: float = 0
    output: _Output | None = None
    running_left_time: float | None = None
    error_code: int | None = None


class WireTask(_Envelope):
    """A task as it is."""

    data: _Task | None = None


def begun_task(answer: Begun, provider: str) -> str:
    """What names a task from now on.

    Raises:
        GatewayError: the answer is an error.
        ProviderBadResponse: its id is none that could stand in a URL.
    """
    if answer.data is None or answer.code:
        raise from_code(answer.code, provider)
    if not _TASK.fullmatch(answer.data.task_id):
        raise ProviderBadResponse(detail=f"Provider {provider!r} began a task without a proper id.")
    return answer.data.task_id


def file_token(answer: Uploaded, provider: str) -> str:
    """What names an uploaded file from now on.

    Raises:
        GatewayError: the answer is an error.
    """
    if answer.data is None or answer.code:
        raise from_code(answer.code, provider)
    return answer.data.file_token


def status_of(answer: WireTask, provider: str) -> TaskStatus:
    """How a task is.

    Raises:
        GatewayError: the answer is an error.
    """
    task = answer.data
    if task is None or answer.code:
        raise from_code(answer.code, provider)
    match task.status.lower():
        case "success":
            url = task.output and task.output.url
            return TaskStatus(percent=100, done=True, urls={"glb": url} if url else {})
        case "queued" | "running":
            left = task.running_left_time
            eta_s = left if left is not None and left >= 0 else None
            return TaskStatus(percent=max(0, min(int(task.progress), 99)), eta_s=eta_s)
        case "banned":
            return TaskStatus(failure=_failure(errors.ContentPolicyViolation, provider, "task_banned"))
        case "expired" | "cancelled" as ended:
            return TaskStatus(failure=_failure(errors.ProviderUnavailable, provider, f"task_{ended}"))
        case "failed":
            kind = BY_CODE.get(task.error_code or 0, errors.ProviderError)
            return TaskStatus(failure=_failure(kind, provider, "task_failed"))
        case _:
            return TaskStatus(failure=_failure(ProviderBadResponse, provider, "task_unknown"))


def to_error(status: int, headers: Mapping[str, str], body: bytes, *, provider: str) -> GatewayError:
    """The error for an answer that is not 2xx."""
    try:
        code = msgspec.json.decode(body, type=_Envelope).code
    except (msgspec.DecodeError, UnicodeDecodeError):
        code = 0
    failure = from_code(code, provider, status)
    failure.retry_after_s = retry_after_s(headers)
    return failure


def from_code(code: int, provider: str, status: int = 200) -> GatewayError:
    """The error for a code, or for the status if nothing is known of the code."""
    kind = BY_CODE.get(code) or by_status(status)
    return kind(detail=told(kind, provider=provider, status=status))


def _failure(kind: type[GatewayError], provider: str, code: str) -> GatewayError:
    return kind(detail=told(kind, provider=provider, status=200, code=code))
