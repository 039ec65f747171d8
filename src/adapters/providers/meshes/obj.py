"""What a Wavefront OBJ file has in it, read line by line and held one at a time. Blocking: for threads.

http://fegemo.github.io/cefet-cg/attachments/obj-spec.pdf: points and polygons. Materials are other files, which an
OBJ only names.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from ....domain.errors import ProviderBadResponse
from ...disk_errors import disk_errors

MEDIA_TYPE: Final = "model/obj"
LONGEST_LINE: Final = 65_536


def facts_of(path: Path, provider: str) -> Mapping[str, Any]:
    """The number of `vertices` and of `faces`, as triangles, of an OBJ file, and its `bounds`.

    Raises:
        ProviderBadResponse: it is none, or has no surface.
        GatewayError: it cannot be read.
    """
    vertices, faces, low, high = 0, 0, [math.inf] * 3, [-math.inf] * 3
    try:
        with disk_errors(), path.open("rb") as file:
            while line := file.readline(LONGEST_LINE):
                word, *numbers = line.split() or [b""]
                if word == b"v":
                    vertices += 1
                    point = [float(number) for number in numbers[:3]]
                    low = [min(pair) for pair in zip(low, point, strict=True)]
                    high = [max(pair) for pair in zip(high, point, strict=True)]
                elif word == b"f":
                    faces += max(0, len(numbers) - 2)
    except ValueError as exc:
        raise ProviderBadResponse(detail=f"Provider {provider!r} made a mesh that is no OBJ file.") from exc
    if not (faces and all(map(math.isfinite, (*low, *high)))):
        raise ProviderBadResponse(detail=f"Provider {provider!r} made an OBJ file without a surface.")
    return {"vertices": vertices, "faces": faces, "bounds": [low, high]}
