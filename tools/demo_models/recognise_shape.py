"""Tell what shape of what colour a picture shows, from its pixels: enough for one shape on an even background."""

import numpy as np
from attrs import frozen
from PIL import Image

from .shapes import COLOURS, SHAPES, Shape

CONTRAST = 120  # summed over the channels, from which a pixel is not background
FEWEST_PIXELS = 20


@frozen
class ShapeSeen:
    """The shape in a picture, and the intersections over unions with each true shape; None if there is nothing."""

    colour: str | None
    shape: Shape | None
    overlaps: dict[Shape, float]

    def __str__(self) -> str:
        return f"{self.colour} {self.shape}" if self.shape else "nothing"


def recognise(picture: Image.Image) -> ShapeSeen:
    """Take the border for background, the middle colour of what differs from it, and the shape that covers it best."""
    pixels = np.asarray(picture.convert("RGB"), dtype=float)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    inked = np.abs(pixels - np.median(border, 0)).sum(-1) > CONTRAST
    if inked.sum() < FEWEST_PIXELS:
        return ShapeSeen(None, None, dict.fromkeys(SHAPES, 0.0))
    ink = np.median(pixels[inked], 0)
    colour = min(COLOURS, key=lambda name: float(((ink - COLOURS[name]) ** 2).sum()))
    overlaps = {shape: _overlap(inked, _true(shape, inked)) for shape in SHAPES}
    return ShapeSeen(colour, max(SHAPES, key=lambda shape: overlaps[shape]), overlaps)


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def _true(shape: Shape, inked: np.ndarray) -> np.ndarray:
    """The shape of the same area around the same centre."""
    rows, columns = np.indices(inked.shape)
    down, right = rows - rows[inked].mean(), columns - columns[inked].mean()
    area = inked.sum()
    match shape:
        case "circle":
            return right**2 + down**2 <= area / np.pi
        case "square":
            return np.maximum(abs(right), abs(down)) <= area**0.5 / 2
        case "triangle":  # 2.2 wide and 2 high, in units of its radius; the centre lies at two thirds of the height
            radius = (area / 2.2) ** 0.5
            from_top = down + radius * 4 / 3
            return (from_top <= 2 * radius) & (abs(right) <= from_top * 0.55)
