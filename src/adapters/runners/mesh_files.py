"""Surfaces as files: checked, simplified, and written by trimesh 5.2 as GLB, OBJ or PLY.

y is up in all of them, as glTF wants it. Colours belong to vertices: linear in glTF, as it wants them too, and sRGB in
PLY and OBJ, where programs expect what a screen shows. The same surface gives the same bytes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from attrs import evolve, frozen
from fast_simplification import replay_simplification, simplify
from numpy.typing import NDArray

from ...domain.errors import RunnerBadOutput
from ...domain.generation import OutputFile
from ...domain.parameters.model_3d import MeshFormat

MEDIA_TYPES: Mapping[MeshFormat, str] = {"glb": "model/gltf-binary", "obj": "model/obj", "ply": "model/ply"}

_STRAIGHT_UP_TO = 0.0031308

Numbers = NDArray[np.floating[Any]]
Indices = NDArray[np.int64]

NO_SURFACE = "The model made nothing of this: there is no surface. Another seed may help."

_MATTE = {"pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 0.8}}
"""Without a material glTF means bare metal, which is black where nothing can be mirrored."""


@frozen(kw_only=True)
class Surface:
    """Triangles between points, z up; `colours` are the points' linear RGB, 0 to 1, if they have any."""

    vertices: Numbers
    faces: Indices
    colours: Numbers | None = None

    def check(self, limit: float) -> None:
        """Refuse what is no surface, or reaches further than `limit` from the middle along an axis.

        Raises:
            RunnerBadOutput: it is not one that anybody could use.
        """
        numbers = self.vertices if self.colours is None else np.hstack([self.vertices, self.colours])
        if not len(self.faces):
            raise RunnerBadOutput(detail=NO_SURFACE)
        if not np.isfinite(numbers).all():
            raise RunnerBadOutput(detail="The model made a mesh with points that are no numbers.")
        if np.abs(self.vertices).max() > limit or self.faces.min() < 0 or self.faces.max() >= len(self.vertices):
            raise RunnerBadOutput(detail="The model made a mesh beyond its own bounds.")

    def simplified(self, faces: int) -> "Surface":
        """About that many triangles of the same shape; itself, if it has no more.

        A point that takes the place of others has the mean of their colours.
        """
        if len(self.faces) <= faces:
            return self
        triangles = self.faces.astype(np.int32)
        _, _, collapses = simplify(self.vertices, triangles, target_count=faces, return_collapses=True)
        points, left, heirs = replay_simplification(self.vertices, triangles, collapses)
        colours = None if self.colours is None else _means(self.colours, heirs, len(points))
        return Surface(vertices=points, faces=left.astype(np.int64), colours=colours)

    def y_up(self) -> "Surface":
        """The same, turned so that what was up along z is up along y, in the numbers that files have."""
        x, y, z = self.vertices.astype(np.float32).T
        return evolve(self, vertices=np.column_stack([x, z, -y]))


def write_mesh(surface: Surface, stem: Path, kind: MeshFormat) -> OutputFile:
    """Write `stem.<kind>`, with the facts of what is in it."""
    path = stem.with_suffix(f".{kind}")
    turned = surface.y_up()
    path.write_bytes(_WRITERS[kind](turned))
    bounds = [turned.vertices.min(axis=0).tolist(), turned.vertices.max(axis=0).tolist()]
    facts = {"vertices": len(turned.vertices), "faces": len(turned.faces), "bounds": bounds}
    return OutputFile(path=str(path), media_type=MEDIA_TYPES[kind], facts=facts)


def to_srgb(linear: Numbers) -> Numbers:
    """Linear light as sRGB, both 0 to 1 (IEC 61966-2-1)."""
    straight = linear <= _STRAIGHT_UP_TO
    return np.where(straight, linear * 12.92, 1.055 * np.where(straight, 1, linear) ** (1 / 2.4) - 0.055)


def _glb(surface: Surface) -> bytes:
    mesh = _mesh(surface, surface.colours)
    exported: Any = mesh.export(file_type="glb", include_normals=True, tree_postprocessor=_make_matte)
    return bytes(exported)


def _obj(surface: Surface) -> bytes:
    exported: Any = _mesh(surface, _shown(surface)).export(file_type="obj", include_normals=False)
    return str(exported).encode()


def _ply(surface: Surface) -> bytes:
    exported: Any = _mesh(surface, _shown(surface)).export(file_type="ply")
    return bytes(exported)


_WRITERS: Mapping[MeshFormat, Callable[[Surface], bytes]] = {"glb": _glb, "obj": _obj, "ply": _ply}


def _mesh(surface: Surface, colours: Numbers | None) -> trimesh.Trimesh:
    eight_bits = None if colours is None else np.rint(colours.clip(0, 1) * 255).astype(np.uint8)
    return trimesh.Trimesh(surface.vertices, surface.faces, vertex_colors=eight_bits, process=False)


def _shown(surface: Surface) -> Numbers | None:
    return None if surface.colours is None else to_srgb(surface.colours)


def _make_matte(tree: dict[str, Any]) -> None:
    tree["materials"] = [_MATTE]
    for mesh in tree["meshes"]:
        for primitive in mesh["primitives"]:
            primitive["material"] = 0


def _means(colours: Numbers, heirs: Indices, count: int) -> Numbers:
    """The mean colour of all points that have the same heir."""
    sums = np.zeros((count, colours.shape[1]))
    np.add.at(sums, heirs, colours)
    return sums / np.bincount(heirs, minlength=count)[:, None]
