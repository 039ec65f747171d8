"""Tell what shape of what colour a picture shows, by counting pixels: enough for one shape on an even background."""

import numpy as np
from attrs import frozen
from PIL import Image

from .shapes import COLOURS, Shape

FILLS: dict[Shape, float] = {"circle": 0.79, "square": 0.98, "triangle": 0.53}  # of the rectangle around the shape
CONTRAST = 120  # summed over the channels, from which a pixel is not background
FEWEST_PIXELS = 20


@frozen
class ShapeSeen:
    """What is in a picture; None if there is nothing."""

    colour: str | None
    shape: Shape | None

    def __str__(self) -> str:
        return f"{self.colour} {self.shape}" if self.shape else "nothing"


def recognise(picture: Image.Image) -> ShapeSeen:
    """Take the border for background, the middle colour of what differs from it, and the shape that fills as much."""
    pixels = np.asarray(picture.convert("RGB"), dtype=float)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    inked = np.abs(pixels - np.median(border, 0)).sum(-1) > CONTRAST
    if inked.sum() < FEWEST_PIXELS:
        return ShapeSeen(None, None)
    ink = np.median(pixels[inked], 0)
    colour = min(COLOURS, key=lambda name: float(((ink - COLOURS[name]) ** 2).sum()))
    rows, columns = np.nonzero(inked)
    fill = inked.sum() / (np.ptp(rows) + 1) / (np.ptp(columns) + 1)
    return ShapeSeen(colour, min(FILLS, key=lambda shape: abs(FILLS[shape] - fill)))
