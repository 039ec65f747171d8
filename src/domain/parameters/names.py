"""The parameters of all modalities by their names."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from attrs import evolve, fields

from ..model import Modality
from .image import ImageParameters
from .model_3d import Model3DParameters
from .text import TextParameters

Parameters = TextParameters | ImageParameters | Model3DParameters
"""How to generate something: one class for each modality."""

PARAMETERS: Mapping[Modality, type[Parameters]] = {
    Modality.TEXT: TextParameters,
    Modality.IMAGE: ImageParameters,
    Modality.MODEL_3D: Model3DParameters,
}

_NAMES: dict[type[Parameters], tuple[str, ...]] = {
    kind: tuple(attribute.name for attribute in fields(kind))
    for kind in (TextParameters, ImageParameters, Model3DParameters)
}

TEXT_PARAMETERS = frozenset(_NAMES[TextParameters])
IMAGE_PARAMETERS = frozenset(_NAMES[ImageParameters])
MODEL_3D_PARAMETERS = frozenset(_NAMES[Model3DParameters])


def given(parameters: Parameters) -> dict[str, Any]:
    """The parameters that the request names, by name."""
    return {name: value for name in _NAMES[type(parameters)] if (value := getattr(parameters, name)) is not None}


_P = TypeVar("_P", TextParameters, ImageParameters, Model3DParameters, Parameters)


def with_presets(parameters: _P, presets: Mapping[str, Any], honoured: Collection[str]) -> _P:
    """The parameters, with the presets for those that are not given and that are honoured."""
    if not presets:
        return parameters
    told = given(parameters)
    more: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in presets.items()
        if name in honoured and name not in told
    }
    return evolve(parameters, **more) if more else parameters
