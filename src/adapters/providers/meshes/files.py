"""Files of meshes, judged by what is in them. Blocking: for threads."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from ....domain.generation import OutputFile
from . import glb, obj

MESH_LIMIT_BYTES: Final = 256 * 2**20
"""The largest mesh that is taken: a GLB of 2 million triangles with four textures of 4096 × 4096 stays below."""

_KINDS: Final[Mapping[str, tuple[str, Callable[[Path, str], Mapping[str, Any]]]]] = {
    "glb": (glb.MEDIA_TYPE, glb.facts_of),
    "obj": (obj.MEDIA_TYPE, obj.facts_of),
}


def mesh_in(path: Path, kind: str, provider: str) -> OutputFile:
    """A file that is to be a mesh of a kind, `glb` or `obj`, with the facts of what is in it.

    Raises:
        ProviderBadResponse: it is not.
        GatewayError: it cannot be read.
    """
    media_type, facts_of = _KINDS[kind]
    return OutputFile(path=str(path), media_type=media_type, facts=facts_of(path, provider))
