"""How to generate 3D models."""

from typing import Annotated, Literal

from attrs import frozen

from .field import Field

MeshFormat = Literal["glb", "obj", "ply"]


@frozen(kw_only=True)
class Model3DParameters:
    """How to generate 3D models."""

    steps: Annotated[
        int | None,
        Field("How often the shape is refined: more takes longer and is seldom better.", 1, 500, examples=(16,)),
    ] = None
    guidance_scale: Annotated[
        float | None, Field("How closely the words or the picture are followed.", 0, 50, examples=(1.0,))
    ] = None
    seed: Annotated[
        int | None,
        Field("Start of the random draw: the same seed and request give the same bytes.", 0, 2**32 - 2, examples=(42,)),
    ] = None
    format: Annotated[MeshFormat | None, Field("The file format; GLB if not given.", examples=("glb",))] = None
    target_faces: Annotated[
        int | None,
        Field(
            "Simplify the mesh to about this many triangles, if it has more.",
            16,
            10_000_000,
            unit="triangles",
            examples=(5000,),
        ),
    ] = None
    texture: Annotated[
        bool | None, Field("Whether to colour the surface; the model's own way if not given.", examples=(True,))
    ] = None
