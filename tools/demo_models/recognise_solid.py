"""Tell what solid of what colour a latent code is of, by comparing it with the true solids."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import torch
from attrs import frozen
from diffusers.pipelines.shap_e import ShapERenderer
from torch import Tensor

from .field import DISTANCE, field
from .meshes import mesh
from .solids import COLOURS, SOLIDS, Solid, depth

GRID = 48  # points an axis
ANY_SIZE = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15)
MIDDLE_SIZE = (1.0,)


@frozen(kw_only=True)
class SolidSeen:
    """What a code is of: the solid with which it has most in common, and how much with each.

    `overlaps` are intersections over unions, with the true solid in the size that fits best.
    """

    solid: Solid
    colour: str | None
    overlaps: dict[Solid, float]
    watertight: bool

    def __str__(self) -> str:
        return f"{self.colour} {self.solid}" if self.colour else "nothing"


@torch.no_grad()
def recognise(renderer: ShapERenderer, code: Tensor, sizes: Sequence[float]) -> SolidSeen:
    """Compare a code (1, 96, 8) with every solid in every one of `sizes`."""
    filled = field(renderer, code, _points()[None])[0, :, DISTANCE] > 0
    overlaps = {solid: max(_overlap(filled, _true(solid, size)) for size in sizes) for solid in SOLIDS}
    surface = mesh(renderer, code, grid=GRID)
    return SolidSeen(
        solid=max(overlaps, key=lambda solid: overlaps[solid]),
        colour=_nearest_colour(surface.visual.vertex_colors[:, :3] / 255) if len(surface.faces) else None,
        overlaps=overlaps,
        watertight=bool(len(surface.faces)) and surface.is_watertight,
    )


def _overlap(one: Tensor, other: Tensor) -> float:
    return ((one & other).sum() / (one | other).sum()).item()


@cache
def _true(solid: Solid, size: float) -> Tensor:
    return depth(solid, _points(), size) > 0


@cache
def _points() -> Tensor:
    """The points of the grid (n, 3)."""
    axis = torch.linspace(-1, 1, GRID)
    return torch.cartesian_prod(axis, axis, axis)


def _nearest_colour(vertices: np.ndarray) -> str:
    middle = np.median(vertices, 0)
    return min(COLOURS, key=lambda name: float(((middle - COLOURS[name]) ** 2).sum()))
