"""Small meshes as binary glTF, made by trimesh, which is not ours; and ways to spoil them."""

import json
import struct

import trimesh


def scene(*places) -> trimesh.Scene:
    """A box of 2 × 4 × 6, once at each of these places."""
    made = trimesh.Scene()
    for place in places or (trimesh.transformations.identity_matrix(),):
        made.add_geometry(trimesh.creation.box((2, 4, 6)), transform=place)
    return made


def glb(made: trimesh.Scene | None = None) -> bytes:
    return bytes((made or scene()).export(file_type="glb"))


def obj() -> bytes:
    return str(trimesh.creation.box((2, 4, 6)).export(file_type="obj")).encode()


def redescribed(content: bytes, change) -> bytes:
    """The same with another description: `change` is given it as it is, and changes it."""
    length = struct.unpack("<I", content[12:16])[0]
    described = json.loads(content[20 : 20 + length])
    change(described)
    text = json.dumps(described).encode()
    text += b" " * (-len(text) % 4)
    rest = content[20 + length :]
    return struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(rest), len(text), b"JSON") + text + rest
