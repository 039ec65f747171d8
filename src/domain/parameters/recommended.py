"""Values of parameters that a model's own files recommend."""

from collections.abc import Mapping
from typing import Any, get_args

from attrs import fields

from .field import Field
from .image import ImageParameters
from .text import TextParameters

_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
_DRAWING = ("width", "height", "steps", "guidance_scale", "strength")


def _declared(
    cls: type[TextParameters] | type[ImageParameters], names: tuple[str, ...]
) -> Mapping[str, tuple[Any, Field]]:
    return {
        it.name: (get_args(get_args(it.type)[0])[0], get_args(it.type)[1]) for it in fields(cls) if it.name in names
    }


_FIELDS: Mapping[type, Mapping[str, tuple[Any, Field]]] = {
    TextParameters: _declared(TextParameters, _SAMPLING),
    ImageParameters: _declared(ImageParameters, _DRAWING),
}


def recommended(
    values: Mapping[str, object], cls: type[TextParameters] | type[ImageParameters] = TextParameters
) -> dict[str, Any]:
    """Those that a request could give: what files say may be out of every bound, or of another type."""
    found: dict[str, Any] = {}
    for name, (kind, field) in _FIELDS[cls].items():
        value = values.get(name)
        if kind is float and type(value) is int and abs(value) < 2**53:
            value = float(value)
        if type(value) is kind and field.problem(value) is None:
            found[name] = round(value, 6) if isinstance(value, float) else value
    return found
