"""What one model takes of a parameter, where that is less than the parameter may be at all."""

from collections.abc import Mapping
from math import lcm

from attrs import frozen

GROWTH = 4
"""How many times a model's own width and height may be asked for: far beyond them it only repeats itself, slowly."""

STRIDE = 8
"""What libraries want the sizes of pictures to be a multiple of, whatever the model needs."""


@frozen(kw_only=True)
class Bounds:
    """The most, and what a whole number must be a multiple of."""

    maximum: int
    multiple_of: int = 1


def picture_bounds(width: int, height: int, scale: int) -> Mapping[str, Bounds]:
    """What a model takes whose own pictures are that large, and whose latents are smaller by `scale`."""
    multiple = lcm(STRIDE, scale)
    return {
        "width": Bounds(maximum=GROWTH * width, multiple_of=multiple),
        "height": Bounds(maximum=GROWTH * height, multiple_of=multiple),
    }
