"""Which sizes of pictures a model makes, as far as that is known before it is asked."""

import re
from typing import Final

from attrs import frozen

from ....domain.errors import InvalidRequest
from ....domain.parameters import ImageParameters

NAME: Final = re.compile(r"[1-9]\d*x[1-9]\d*")


@frozen(kw_only=True)
class ImageSizes:
    """The sizes that are `named`, such as `1024x1024`, and no others; if none is, those that keep to all bounds.

    Sides are multiples of `multiple` pixels, the longer one has `longest` at most and is at most `ratio` times the
    other; all pixels are `pixels` at most. Without bounds every size is sent, and the service decides.
    """

    named: tuple[str, ...] = ()
    multiple: int = 1
    longest: int | None = None
    ratio: float | None = None
    pixels: int | None = None

    def of(self, parameters: ImageParameters) -> str | None:
        """The size that is asked for, as it is sent; None if that is left to the model.

        Raises:
            InvalidRequest: only one side is named, or the model does not make this size.
        """
        width, height = parameters.width, parameters.height
        if width is None and height is None:
            return None
        if width is None or height is None:
            name = "width" if width is None else "height"
            raise InvalidRequest.at(f"/parameters/{name}", "width and height go together", self.named or None)
        size = f"{width}x{height}"
        if problem := self._problem(width, height, size):
            raise InvalidRequest.at("/parameters/width", f"{size} {problem}", self.named or None)
        return size

    def _problem(self, width: int, height: int, size: str) -> str | None:
        if self.named:
            return None if size in self.named else f"is not made by this model; it makes {', '.join(self.named)}"
        short, long = sorted((width, height))
        if short % self.multiple or long % self.multiple:
            return f"must have sides that are multiples of {self.multiple}"
        if self.longest and long > self.longest:
            return f"must have sides of at most {self.longest}"
        if self.ratio and long > self.ratio * short:
            return f"must not have one side more than {self.ratio:g} times the other"
        if self.pixels and width * height > self.pixels:
            return f"must have at most {self.pixels} pixels"
        return None


def named_sizes(names: tuple[str, ...]) -> ImageSizes:
    """Those of a configuration; `*` stands for all.

    Raises:
        ValueError: one is neither.
    """
    if "*" in names:
        return ImageSizes()
    if wrong := [name for name in names if not NAME.fullmatch(name)]:
        raise ValueError(f"image_sizes: {wrong[0]!r} is not like '1024x1024' or '*'")
    return ImageSizes(named=names)
