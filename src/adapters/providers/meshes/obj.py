"""What a Wavefront OBJ file has in it, counted piece by piece. Blocking: for threads.

http://fegemo.github.io/cefet-cg/attachments/obj-spec.pdf: points and polygons. It is not measured: that would mean to
read each number, which holds the interpreter for seconds. Materials are other files, which an OBJ only names.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ....domain.errors import ProviderBadResponse
from ...disk_errors import disk_errors

MEDIA_TYPE: Final = "model/obj"

_PIECE_BYTES: Final = 2**20
_VERTEX, _FACE = b"\nv ", b"\nf "


def facts_of(path: Path, provider: str) -> Mapping[str, Any]:
    """The number of `vertices` and `faces` of an OBJ file.

    Raises:
        ProviderBadResponse: it is none, or has no surface.
        GatewayError: it cannot be read.
    """
    vertices, faces, before = 0, 0, b"\n"
    with disk_errors(), path.open("rb") as file:
        while piece := file.read(_PIECE_BYTES):
            if b"\0" in piece:
                raise ProviderBadResponse(detail=f"Provider {provider!r} made a mesh that is no OBJ file.")
            text = before + piece
            vertices += text.count(_VERTEX)
            faces += text.count(_FACE)
            before = text[1 - len(_VERTEX) :]  # too short to be counted twice
    if not (vertices and faces):
        raise ProviderBadResponse(detail=f"Provider {provider!r} made an OBJ file without a surface.")
    return {"vertices": vertices, "faces": faces}
