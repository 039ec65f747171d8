"""What a binary glTF 2.0 file says of itself: https://registry.khronos.org/glTF/specs/2.0. Blocking: for threads.

The frame is checked to its last byte, the description is read, the geometry is not: a mesh that was cut off, or that
names files elsewhere, is none. The bounds are those of the boxes that the file states for its meshes, where its scene
puts them; they are no smaller than the mesh, and can be larger where it is turned.
"""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec
from attrs import frozen

from ....domain.errors import ProviderBadResponse
from ...disk_errors import disk_errors
from .transforms import IDENTITY, Box, Matrix, around, from_parts, moved, times

MEDIA_TYPE: Final = "model/gltf-binary"
DESCRIPTION_LIMIT_BYTES: Final = 4 * 2**20
"""Decoding it holds the interpreter, 10 ms at this size; that of a mesh has some kilobytes."""

MOST_NODES: Final = 100_000

_VERSION: Final = 2
_JSON: Final = b"JSON"
_AXES: Final = 3
_FLOAT: Final = 5126
_TRIANGLES, _STRIP, _FAN = 4, 5, 6
_WHOLE: Final = {5120: 127, 5121: 255, 5122: 32767, 5123: 65535}
"""What stands for 1 in normalized integers, by the type of their components."""


class _Accessor(msgspec.Struct):
    count: int
    component_type: int = msgspec.field(default=_FLOAT, name="componentType")
    normalized: bool = False
    min: list[float] = []
    max: list[float] = []


class _Primitive(msgspec.Struct):
    attributes: dict[str, int]
    indices: int | None = None
    mode: int = _TRIANGLES


class _Mesh(msgspec.Struct):
    primitives: list[_Primitive]


class _Node(msgspec.Struct):
    children: list[int] = []
    mesh: int | None = None
    matrix: tuple[float, ...] | None = None
    translation: tuple[float, float, float] = (0, 0, 0)
    rotation: tuple[float, float, float, float] = (0, 0, 0, 1)
    scale: tuple[float, float, float] = (1, 1, 1)

    @property
    def place(self) -> Matrix:
        if self.matrix is not None:
            return self.matrix
        return from_parts(self.translation, self.rotation, self.scale)


class _Scene(msgspec.Struct):
    nodes: list[int] = []


class _Resource(msgspec.Struct):
    uri: str | None = None


class _Description(msgspec.Struct):
    accessors: list[_Accessor] = []
    meshes: list[_Mesh] = []
    nodes: list[_Node] = []
    scenes: list[_Scene] = []
    scene: int = 0
    buffers: list[_Resource] = []
    images: list[_Resource] = []


@frozen
class _Extent:
    vertices: int
    faces: int
    box: Box


class _NoMeshError(ValueError):
    """Why a file is no GLB, or none that is whole."""


def facts_of(path: Path, provider: str) -> Mapping[str, Any]:
    """The number of `vertices` and `faces` of a GLB file, and its `bounds`.

    Raises:
        ProviderBadResponse: it is none, is not whole, or has no surface.
        GatewayError: it cannot be read.
    """
    try:
        with disk_errors(), path.open("rb") as file:
            described = msgspec.json.decode(_description(file, path.stat().st_size), type=_Description)
        return _facts(described)
    except (_NoMeshError, msgspec.DecodeError, UnicodeDecodeError, ValueError, IndexError) as exc:
        why = str(exc) if isinstance(exc, _NoMeshError) else "says what makes no sense"
        raise ProviderBadResponse(detail=f"Provider {provider!r} made a mesh that is no GLB file: it {why}.") from exc


def _description(file: IO[bytes], size: int) -> bytes:
    """The JSON, once the header and the lengths of all chunks agree with the file."""
    magic, version, length = struct.unpack("<4sII", _exactly(file, 12))
    if magic != b"glTF":
        raise _NoMeshError("does not begin as one")
    if version != _VERSION:
        raise _NoMeshError(f"is of another version than {_VERSION}")
    if length != size:
        raise _NoMeshError(f"has {size} bytes, and says {length}")
    json_length, kind = struct.unpack("<I4s", _exactly(file, 8))
    if kind != _JSON or json_length > DESCRIPTION_LIMIT_BYTES:
        raise _NoMeshError("has no description, or one too large")
    description = _exactly(file, json_length)
    while file.tell() < size:
        (chunk_length,) = struct.unpack("<I4x", _exactly(file, 8))
        if file.seek(chunk_length, 1) > size:
            raise _NoMeshError("ends amid a chunk")
    return description


def _facts(described: _Description) -> Mapping[str, Any]:
    if any(it.uri and not it.uri.startswith("data:") for it in (*described.buffers, *described.images)):
        raise _NoMeshError("names other files")
    extents = [_extent(mesh, described) for mesh in described.meshes]
    vertices, faces, boxes = 0, 0, []
    for number, place in _placed(described):
        if extent := extents[number]:
            vertices += extent.vertices
            faces += extent.faces
            boxes.append(moved(extent.box, place))
    if not (boxes and faces):
        raise _NoMeshError("has no surface")
    low, high = around(boxes)
    if not all(map(math.isfinite, (*low, *high))):
        raise _NoMeshError("has no bounds")
    return {"vertices": vertices, "faces": faces, "bounds": [list(low), list(high)]}


def _extent(mesh: _Mesh, described: _Description) -> _Extent | None:
    """What a mesh is, wherever it is put; each is looked at once, however often it is."""
    if not mesh.primitives:
        return None
    parts = [
        (described.accessors[_index(it.attributes.get("POSITION", -1))], _triangles(it, described))
        for it in mesh.primitives
    ]
    return _Extent(
        vertices=sum(positions.count for positions, _ in parts),
        faces=sum(faces for _, faces in parts),
        box=around([_box(positions) for positions, _ in parts]),
    )


def _placed(described: _Description) -> Iterator[tuple[int, Matrix]]:
    """The meshes of the scene, each with where it is; glTF wants its nodes to be trees."""
    waiting, seen = [(root, IDENTITY) for root in _roots(described)], 0
    while waiting:
        number, outer = waiting.pop()
        if (seen := seen + 1) > min(MOST_NODES, len(described.nodes)):
            raise _NoMeshError("has a scene that goes in circles, or is too large")
        node = described.nodes[_index(number)]
        place = times(outer, node.place)
        if node.mesh is not None:
            yield _index(node.mesh), place
        waiting += [(child, place) for child in node.children]


def _roots(described: _Description) -> Sequence[int]:
    """What the scene begins with; without a scene, the nodes that are below no other one."""
    if described.scenes:
        return described.scenes[_index(described.scene)].nodes
    below = {child for node in described.nodes for child in node.children}
    return [number for number in range(len(described.nodes)) if number not in below]


def _triangles(primitive: _Primitive, described: _Description) -> int:
    corners = primitive.attributes.get("POSITION", -1) if primitive.indices is None else primitive.indices
    count = described.accessors[_index(corners)].count
    if primitive.mode in (_STRIP, _FAN):
        return max(0, count - 2)
    return count // 3 if primitive.mode == _TRIANGLES else 0


def _box(positions: _Accessor) -> Box:
    if not len(positions.min) == len(positions.max) == _AXES:
        raise _NoMeshError("does not say how large it is")
    whole = _WHOLE[positions.component_type] if positions.normalized and positions.component_type in _WHOLE else 1
    return tuple(it / whole for it in positions.min), tuple(it / whole for it in positions.max)


def _index(number: int) -> int:
    if number < 0:
        raise _NoMeshError("names what it does not have")
    return number


def _exactly(file: IO[bytes], size: int) -> bytes:
    if len(data := file.read(size)) != size:
        raise _NoMeshError("ends amid its header")
    return data
