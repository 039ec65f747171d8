"""A reader of binary glTF 2.0 that knows nothing of the library that writes it, and takes nothing that is not allowed.

As far as a mesh without textures goes, this is the specification: https://registry.khronos.org/glTF/specs/2.0
"""

import json
from struct import unpack_from

import numpy as np
from attrs import frozen

MAGIC, JSON_CHUNK, BINARY_CHUNK = 0x46546C67, 0x4E4F534A, 0x004E4942
TYPES = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


@frozen
class Glb:
    """The one mesh of a file; colours are RGB, linear, 0 to 1."""

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray | None
    colours: np.ndarray | None
    material: dict


def read_glb(content: bytes) -> Glb:
    magic, version, length = unpack_from("<III", content)
    assert (magic, version, length) == (MAGIC, 2, len(content))
    (json_type, text), (binary_type, binary) = chunks(content[12:])
    assert (json_type, binary_type) == (JSON_CHUNK, BINARY_CHUNK)
    tree = json.loads(text)
    assert tree["asset"]["version"] == "2.0"
    assert 0 <= len(binary) - tree["buffers"][0]["byteLength"] < 4
    assert "uri" not in tree["buffers"][0]
    node = tree["nodes"][tree["scenes"][tree["scene"]]["nodes"][0]]
    assert not node.keys() & {"matrix", "rotation", "translation", "scale"}
    (primitive,) = tree["meshes"][node["mesh"]]["primitives"]
    assert primitive.get("mode", 4) == 4, "triangles"
    attributes = {name: accessed(tree, binary, number) for name, number in primitive["attributes"].items()}
    indices = accessed(tree, binary, primitive["indices"]).reshape(-1, 3).astype(int)
    positions = attributes["POSITION"]
    assert {"min", "max"} <= tree["accessors"][primitive["attributes"]["POSITION"]].keys()
    assert 0 <= indices.min() <= indices.max() < len(positions)
    assert {len(it) for it in attributes.values()} == {len(positions)}
    colours = attributes.get("COLOR_0")
    return Glb(
        vertices=positions,
        faces=indices,
        normals=attributes.get("NORMAL"),
        colours=None if colours is None else colours[:, :3],
        material=tree["materials"][primitive["material"]],
    )


def chunks(content: bytes) -> list[tuple[int, bytes]]:
    found, start = [], 0
    while start < len(content):
        length, kind = unpack_from("<II", content, start)
        assert length % 4 == 0
        assert start + 8 + length <= len(content)
        found.append((kind, content[start + 8 : start + 8 + length]))
        start += 8 + length
    return found


def accessed(tree: dict, binary: bytes, number: int) -> np.ndarray:
    accessor = tree["accessors"][number]
    view = tree["bufferViews"][accessor["bufferView"]]
    kind, width, count = TYPES[accessor["componentType"]], WIDTHS[accessor["type"]], accessor["count"]
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    size = count * width * np.dtype(kind).itemsize
    assert start % np.dtype(kind).itemsize == 0
    assert "byteStride" not in view
    assert accessor.get("byteOffset", 0) + size <= view["byteLength"]
    values = np.frombuffer(binary, kind, count * width, start).reshape(count, width)
    for name, bound in (("min", values.min(axis=0)), ("max", values.max(axis=0))):
        assert name not in accessor or np.array_equal(np.array(accessor[name], kind), bound)
    return values / np.iinfo(kind).max if accessor.get("normalized") else values
