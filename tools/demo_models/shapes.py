"""Pictures of one coloured shape: what tiny-shapes learns to draw, and what tiny-solids-from-image learns to see."""

from random import Random
from typing import Literal, get_args

import numpy as np
import torch
from attrs import frozen
from PIL import Image, ImageDraw

Rgb = tuple[int, int, int]
Shape = Literal["circle", "square", "triangle"]

COLOURS: dict[str, Rgb] = {
    "red": (220, 40, 40),
    "green": (40, 180, 60),
    "blue": (50, 80, 220),
    "yellow": (235, 205, 40),
}
SHAPES: tuple[Shape, ...] = get_args(Shape)
PAIRS = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
OVERSAMPLING = 4


@frozen(kw_only=True)
class Drawing:
    """One shape on an even background; lengths are parts of the picture's width."""

    shape: Shape
    ink: Rgb
    background: Rgb
    radius: float
    right: float
    down: float


def plain(colour: str, shape: Shape, rng: Random) -> Drawing:
    """A drawing near the middle of an almost white picture."""
    grey = rng.randint(236, 250)
    radius, right, down = rng.uniform(0.26, 0.36), rng.uniform(-0.10, 0.10), rng.uniform(-0.10, 0.10)
    ink = tinted(COLOURS[colour], 12, rng)
    return Drawing(shape=shape, ink=ink, background=(grey,) * 3, radius=radius, right=right, down=down)


def varied(colour: str, shape: Shape, rng: Random) -> Drawing:
    """A drawing of any size that fits, anywhere in the picture, on any grey and more often on a light one."""
    grey = round(rng.triangular(0, 255, 255))
    radius = rng.uniform(0.18, 0.42)
    room = 0.48 - radius * 1.1
    right, down = rng.uniform(-room, room), rng.uniform(-room, room)
    ink, background = tinted(COLOURS[colour], 25, rng), tinted((grey,) * 3, 8, rng)
    return Drawing(shape=shape, ink=ink, background=background, radius=radius, right=right, down=down)


def tinted(colour: Rgb, by: int, rng: Random) -> Rgb:
    """The colour with each channel moved by up to `by`."""
    red, green, blue = (max(0, min(255, channel + rng.randint(-by, by))) for channel in colour)
    return red, green, blue


def paint(drawing: Drawing, size: int) -> Image.Image:
    """A square picture of `size` pixels, with smooth edges."""
    width = size * OVERSAMPLING
    picture = Image.new("RGB", (width, width), drawing.background)
    pen = ImageDraw.Draw(picture)
    x, y, r = width / 2 + width * drawing.right, width / 2 + width * drawing.down, width * drawing.radius
    match drawing.shape:
        case "circle":
            pen.ellipse([x - r, y - r, x + r, y + r], fill=drawing.ink)
        case "square":
            half = r * 0.9
            pen.rectangle([x - half, y - half, x + half, y + half], fill=drawing.ink)
        case "triangle":
            base = y + r * 0.9
            pen.polygon([(x, y - r * 1.1), (x - r * 1.1, base), (x + r * 1.1, base)], fill=drawing.ink)
    return picture.resize((size, size), Image.Resampling.BOX)


def pixels(picture: Image.Image) -> torch.Tensor:
    """The picture as (3, height, width) in -1 … 1."""
    values = np.asarray(picture, dtype=np.float32) / 127.5 - 1
    return torch.from_numpy(values.transpose(2, 0, 1).copy())
