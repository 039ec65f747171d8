"""Stability's forms and errors, and our words: pure functions of a request, a head, a body."""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from ....domain import errors
from ....domain.errors import ContentPolicyViolation, GatewayError, InvalidRequest, Violation
from ....domain.generation import GenerationRequest
from ....domain.parameters import ImageParameters, Model3DParameters
from ..media_request import picture_of, words_of
from ..transport.failures import retry_after_s, told
from ..transport.statuses import by_status
from .kinds import RATIOS, SIZES, StabilityKind

STRENGTH: Final = 0.8
"""How much of a picture may change if the request does not say: Stability wants to be told."""

GUIDANCE: Final = (1, 10)
TARGET_FACES: Final = (100, 20_000)

BY_NAME: Final[Mapping[str, type[GatewayError]]] = {
    "content_moderation": errors.ContentPolicyViolation,
    "unauthorized": errors.ProviderAuthFailed,
    "payment_required": errors.ProviderQuotaExhausted,
    "payload_too_large": errors.RequestTooLarge,
    "rate_limit_exceeded": errors.ProviderRateLimited,
}
POINTERS: Final[Mapping[str, str]] = {
    "prompt": "/input",
    "image": "/input",
    "aspect_ratio": "/parameters/width",
    "output_format": "/parameters/format",
    "cfg_scale": "/parameters/guidance_scale",
    "target_count": "/parameters/target_faces",
    **{name: f"/parameters/{name}" for name in ("negative_prompt", "seed", "strength", "guidance_scale")},
}
"""Where in our requests is what goes out under these names."""

FILTERED: Final = "CONTENT_FILTERED"


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def picture_fields(request: GenerationRequest, kind: StabilityKind) -> dict[str, str]:
    """The fields of the form for a picture, without the one to begin with.

    Raises:
        InvalidRequest: the model does not make this.
    """
    parameters = request.parameters_as(ImageParameters)
    fields = {"prompt": words_of(request), "output_format": _format(parameters.format or "png", kind)}
    if kind.model:
        fields["model"] = kind.model
    if parameters.negative_prompt is not None:
        fields["negative_prompt"] = parameters.negative_prompt
    if parameters.guidance_scale is not None:
        fields["cfg_scale"] = _between(parameters.guidance_scale, GUIDANCE, "guidance_scale")
    size = SIZES.of(parameters)
    if picture_of(request) is None:
        return fields | _seed(parameters.seed) | ({"aspect_ratio": RATIOS[size]} if size else {})
    if size:
        raise InvalidRequest.at("/parameters/width", "is that of the picture that is shown")
    mode = {"mode": "image-to-image"} if kind.model else {}
    strength = STRENGTH if parameters.strength is None else parameters.strength
    return fields | _seed(parameters.seed) | mode | {"strength": f"{strength:g}"}


def mesh_fields(request: GenerationRequest) -> dict[str, str]:
    """The fields of the form for a mesh, without the picture to begin with.

    Raises:
        InvalidRequest: there is no picture, or the model does not make this.
    """
    parameters = request.parameters_as(Model3DParameters)
    if picture_of(request) is None:
        raise InvalidRequest.at("/input", "must show the picture to begin with")
    fields = _seed(parameters.seed)
    if parameters.guidance_scale is not None:
        fields["guidance_scale"] = _between(parameters.guidance_scale, GUIDANCE, "guidance_scale")
    if parameters.target_faces is not None:
        count = _between(parameters.target_faces, TARGET_FACES, "target_faces")
        fields |= {"target_type": "face", "target_count": count}
    return fields


def _format(wanted: str, kind: StabilityKind) -> str:
    if wanted not in kind.formats:
        raise InvalidRequest.at("/parameters/format", f"this model does not make {wanted}", kind.formats)
    return wanted


def _seed(seed: int | None) -> dict[str, str]:
    if seed == 0:
        raise InvalidRequest.at("/parameters/seed", "0 means any seed to this service: choose another one")
    return {} if seed is None else {"seed": str(seed)}


def _between(number: float, bounds: tuple[int, int], name: str) -> str:
    low, high = bounds
    if not low <= number <= high:
        raise InvalidRequest.at(f"/parameters/{name}", f"must be between {low} and {high} for this model")
    return f"{number:g}"


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def expect_unfiltered(headers: Mapping[str, str], provider: str) -> None:
    """Go on only if the picture is shown as it was made: one that is blurred comes with a status of 200.

    Raises:
        ContentPolicyViolation: it is blurred.
    """
    if headers.get("finish-reason", "").upper() == FILTERED:
        detail = told(ContentPolicyViolation, provider=provider, status=200, code="content_filtered")
        raise ContentPolicyViolation(detail=detail)


def seed_of(headers: Mapping[str, str], asked: int | None) -> int | None:
    """The seed that the picture was drawn with."""
    told = headers.get("seed", "")
    return int(told) if re.fullmatch(r"\d{1,10}", told) else asked


class _ErrorBody(msgspec.Struct):
    name: str | None = None
    errors: list[str] = []


def to_error(status: int, headers: Mapping[str, str], body: bytes, *, provider: str) -> GatewayError:
    """The error for an answer that is not 2xx. Of its sentences, only the field that each begins with is passed on."""
    try:
        error = msgspec.json.decode(body, type=_ErrorBody)
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = _ErrorBody()
    kind = BY_NAME.get(error.name or "") or by_status(status)
    detail = told(kind, provider=provider, status=status, code=error.name)
    failure = kind(detail=detail) if kind is not InvalidRequest else _invalid(detail, error, provider)
    failure.retry_after_s = retry_after_s(headers)
    return failure


def _invalid(detail: str, error: _ErrorBody, provider: str) -> InvalidRequest:
    fields = dict.fromkeys(sentence.partition(":")[0] for sentence in error.errors)
    violations = tuple(
        Violation(pointer=POINTERS[name], message=f"provider {provider!r} refuses it")
        for name in fields
        if name in POINTERS
    )
    return InvalidRequest(detail=detail, violations=violations)
