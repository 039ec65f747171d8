"""Five coloured solids as signed distances: what tiny-solids and tiny-solids-from-image learn to make.

Lengths are in the units of Shap-E's box, which goes from -1 to 1 along each axis; z is up, as in Shap-E.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

Solid = Literal["sphere", "cube", "cone", "cylinder", "torus"]

SOLIDS: tuple[Solid, ...] = get_args(Solid)
COLOURS = {  # sRGB, 0 … 1
    "red": (0.86, 0.16, 0.16),
    "green": (0.16, 0.70, 0.24),
    "blue": (0.20, 0.31, 0.86),
    "yellow": (0.92, 0.80, 0.16),
    "white": (0.85, 0.85, 0.85),
}
UNCOLOURED = "white"  # of a prompt that names no colour
SIZE_SPREAD = 0.15  # sizes go from 0.85 to 1.15
TINY = 1e-12  # under a root, so that its gradient stays finite


def depth(solid: Solid, points: Tensor, size: float) -> Tensor:
    """How far each of the points (n, 3) lies under the surface; negative outside."""
    points = points / size
    x, y, z = points.unbind(-1)
    from_axis = (x * x + y * y + TINY).sqrt()
    match solid:
        case "sphere":
            inner = 0.65 - (points * points).sum(-1).add(TINY).sqrt()
        case "cube":
            beyond = points.abs() - 0.52
            outside = beyond.clamp(min=0).pow(2).sum(-1).add(TINY).sqrt()
            inner = -(outside + beyond.amax(-1).clamp(max=0))
        case "cone":  # base of radius 0.65 at -0.6, top at 0.7
            slant = (1.3**2 + 0.65**2) ** 0.5
            inner = torch.minimum(z + 0.6, ((0.7 - z) * 0.65 - from_axis * 1.3) / slant)
        case "cylinder":
            inner = torch.minimum(0.45 - from_axis, 0.65 - z.abs())
        case "torus":
            inner = 0.22 - ((from_axis - 0.5) ** 2 + z * z + TINY).sqrt()
    return inner * size


def scale(sizes: Tensor) -> Tensor:
    """The factors that stand at -1 … 1 on the scale of the latent codes."""
    return 1 + SIZE_SPREAD * sizes
