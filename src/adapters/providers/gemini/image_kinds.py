"""Which of Gemini's models make pictures, and in which sizes.

https://ai.google.dev/gemini-api/docs/image-generation, as of November 2026. A size is asked for by its aspect ratio
and, of newer models, by how large it is; the pixels are those of the documentation's tables.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Final

from attrs import frozen

from ....domain.errors import InvalidRequest
from ....domain.parameters import ImageParameters

KNOWN: Final = ("gemini-*-image", "gemini-*-image-*", "nano-banana*")
"""Patterns of the names that are known to be of models that make pictures."""

_FLASH_2_5: Final = {
    "1:1": (1024, 1024),
    "2:3": (832, 1248),
    "3:2": (1248, 832),
    "3:4": (864, 1184),
    "4:3": (1184, 864),
    "4:5": (896, 1152),
    "5:4": (1152, 896),
    "9:16": (768, 1344),
    "16:9": (1344, 768),
    "21:9": (1536, 672),
}
_PRO_3: Final = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
}


@frozen
class Size:
    """A size as Gemini is asked for it."""

    aspect_ratio: str
    image_size: str | None = None

    def as_wire(self) -> dict[str, str]:
        """The `imageConfig`."""
        size = {"imageSize": self.image_size} if self.image_size else {}
        return {"aspectRatio": self.aspect_ratio, **size}


_SIZES: Final[Mapping[str, Mapping[str, Size]]] = {
    "gemini-2.5-*": {f"{width}x{height}": Size(ratio) for ratio, (width, height) in _FLASH_2_5.items()},
    "gemini-3-pro-*": {
        f"{width * times}x{height * times}": Size(ratio, f"{times}K")
        for times in (1, 2, 4)
        for ratio, (width, height) in _PRO_3.items()
    },
}
"""By pattern of the name. Of any other model nothing is known: it chooses its sizes itself."""


def sizes_of(name: str) -> Mapping[str, Size]:
    """The sizes that a model makes, by their names such as `1024x1024`; none if it chooses them itself."""
    return next((sizes for pattern, sizes in _SIZES.items() if fnmatchcase(name, pattern)), {})


def size_in(parameters: ImageParameters, name: str) -> Size | None:
    """The size that is asked for; None if that is left to the model.

    Raises:
        InvalidRequest: only one side is named, or the model does not make this size.
    """
    width, height, sizes = parameters.width, parameters.height, sizes_of(name)
    if width is None and height is None:
        return None
    if width is None or height is None:
        missing = "width" if width is None else "height"
        raise InvalidRequest.at(f"/parameters/{missing}", "width and height go together", tuple(sizes))
    if (size := sizes.get(f"{width}x{height}")) is None:
        raise InvalidRequest.at("/parameters/width", f"{width}x{height} is not made by this model", tuple(sizes))
    return size
