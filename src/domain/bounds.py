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

    def refusal(self, value: int) -> tuple[str, tuple[str, ...] | None] | None:
        """Why a number is not taken, and those next to it that are; None if it is taken."""
        if value > self.maximum:
            return f"must be at most {self.maximum}", None
        below, beyond = divmod(value, self.multiple_of)
        if not beyond:
            return None
        near = {it for it in (below * self.multiple_of, (below + 1) * self.multiple_of) if 0 < it <= self.maximum}
        return f"must be a multiple of {self.multiple_of}", tuple(map(str, sorted(near)))


def picture_bounds(width: int, height: int, scale: int) -> Mapping[str, Bounds]:
    """What a model takes whose own pictures are that large, and whose latents are smaller by `scale`."""
    multiple = lcm(STRIDE, scale)
    return {
        "width": Bounds(maximum=GROWTH * width, multiple_of=multiple),
        "height": Bounds(maximum=GROWTH * height, multiple_of=multiple),
    }
