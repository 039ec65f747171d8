"""Pictures of meshes without a graphics card: faces that look at the viewer are filled from far to near."""

from math import radians

import numpy as np
import trimesh
from PIL import Image, ImageDraw

TURN, TILT = radians(35), radians(22)  # where the viewer stands: around the solid, and above it
SUN = np.array([-0.45, 0.6, 0.66])  # direction to the light, as the viewer sees it: right, up, towards the viewer
SHADE = 0.45  # brightness of a face that looks away from it
HALF_WIDTH = 1.15  # what fits into half the picture
OVERSAMPLING = 3
TINY = 1e-12  # for faces without an area
PAPER = (255, 255, 255)


def render(solid: trimesh.Trimesh, size: int) -> Image.Image:
    """A square picture of `size` pixels of a solid in Shap-E's box, z up, from above and aside."""
    seen = solid.vertices @ _towards_viewer().T
    corners = seen[solid.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = np.flatnonzero(normals[:, 2] > 0)
    order = facing[np.argsort(corners[facing, :, 2].mean(1))]
    colours = _colours(solid, normals)
    width = size * OVERSAMPLING
    spots = (corners[:, :, :2] * [1, -1] / HALF_WIDTH + 1) * width / 2
    picture = Image.new("RGB", (width, width), PAPER)
    pen = ImageDraw.Draw(picture)
    for face in order:
        pen.polygon([tuple(spot) for spot in spots[face]], fill=tuple(colours[face]))
    return picture.resize((size, size), Image.Resampling.BOX)


def _towards_viewer() -> np.ndarray:
    """Rotation of the solid that brings the viewer's right to x, up to y, and the viewer to z."""
    turn = np.array([[np.cos(TURN), np.sin(TURN), 0], [-np.sin(TURN), np.cos(TURN), 0], [0, 0, 1]])
    tilt = np.array([[1, 0, 0], [0, np.sin(TILT), np.cos(TILT)], [0, -np.cos(TILT), np.sin(TILT)]])
    return tilt @ turn


def _colours(solid: trimesh.Trimesh, normals: np.ndarray) -> np.ndarray:
    """The faces' colours (n, 3) under the light, 0 … 255."""
    own = solid.visual.vertex_colors[:, :3][solid.faces].mean(1)
    lengths = np.linalg.norm(normals, axis=1).clip(TINY)
    light = SHADE + (1 - SHADE) * (normals @ SUN / lengths / np.linalg.norm(SUN)).clip(0, 1)
    return (own * light[:, None]).clip(0, 255).astype(np.uint8)
