"""What Stability's models take, by their names: https://platform.stability.ai/docs/api-reference, v2beta.

As of November 2026. The list is closed: every model has a path and fields of its own.
"""

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from ....domain.model import Modality
from ..pictures.sizes import ImageSizes

RATIOS: Final[Mapping[str, str]] = {
    "1024x1024": "1:1",
    "1344x768": "16:9",
    "768x1344": "9:16",
    "1536x640": "21:9",
    "640x1536": "9:21",
    "832x1216": "2:3",
    "1216x832": "3:2",
    "896x1088": "4:5",
    "1088x896": "5:4",
}
"""Stability is told a ratio; these are the sizes that it makes of them, but for `core`, whose pictures are larger."""

SIZES: Final = ImageSizes(named=tuple(RATIOS))

_ANY_PICTURE: Final = frozenset({"width", "height", "negative_prompt", "seed", "format"})


@frozen(kw_only=True)
class StabilityKind:
    """What a model takes, and where. `model` is what the path has to be told besides."""

    path: str
    parameters: frozenset[str]
    capabilities: frozenset[str]
    modality: Modality = Modality.IMAGE
    model: str | None = None
    formats: tuple[str, ...] = ("png", "jpeg", "webp")


def _diffusion(model: str, *parameters: str) -> StabilityKind:
    return StabilityKind(
        path="/v2beta/stable-image/generate/sd3",
        model=model,
        parameters=(_ANY_PICTURE - {"negative_prompt"}) | {"strength", *parameters},
        capabilities=frozenset({"text-to-image", "image-to-image"}),
        formats=("png", "jpeg"),
    )


KINDS: Final[Mapping[str, StabilityKind]] = {
    "core": StabilityKind(
        path="/v2beta/stable-image/generate/core",
        parameters=_ANY_PICTURE,
        capabilities=frozenset({"text-to-image"}),
    ),
    "ultra": StabilityKind(
        path="/v2beta/stable-image/generate/ultra",
        parameters=_ANY_PICTURE | {"strength"},
        capabilities=frozenset({"text-to-image", "image-to-image"}),
    ),
    "sd3.5-large": _diffusion("sd3.5-large", "negative_prompt", "guidance_scale"),
    "sd3.5-medium": _diffusion("sd3.5-medium", "negative_prompt", "guidance_scale"),
    "sd3.5-large-turbo": _diffusion("sd3.5-large-turbo"),
    "sd3.5-flash": _diffusion("sd3.5-flash"),
    "stable-fast-3d": StabilityKind(
        path="/v2beta/3d/stable-fast-3d",
        modality=Modality.MODEL_3D,
        parameters=frozenset(),
        capabilities=frozenset({"image-to-3d"}),
    ),
    "stable-point-aware-3d": StabilityKind(
        path="/v2beta/3d/stable-point-aware-3d",
        modality=Modality.MODEL_3D,
        parameters=frozenset({"seed", "guidance_scale", "target_faces"}),
        capabilities=frozenset({"image-to-3d"}),
    ),
}
