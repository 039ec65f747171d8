"""How to generate pictures."""

from typing import Annotated, Literal

from attrs import frozen

from .field import Field

ImageFormat = Literal["png", "jpeg", "webp"]
Scheduler = Literal["ddim", "ddpm", "dpm++", "euler", "euler_ancestral", "heun", "lms", "pndm", "unipc"]


@frozen(kw_only=True)
class ImageParameters:
    """How to generate pictures."""

    width: Annotated[
        int | None, Field("How wide; the model's own width if not given.", 8, 4096, unit="pixels", examples=(512,))
    ] = None
    height: Annotated[
        int | None, Field("How high; the model's own height if not given.", 8, 4096, unit="pixels", examples=(512,))
    ] = None
    steps: Annotated[
        int | None,
        Field("How often the picture is refined: more takes longer and is seldom better.", 1, 500, examples=(25,)),
    ] = None
    guidance_scale: Annotated[
        float | None,
        Field("How closely the words are followed: too high looks harsh, too low drifts.", 0, 50, examples=(5.0,)),
    ] = None
    negative_prompt: Annotated[str | None, Field("What not to show.", max_length=4096, examples=("blurry, text",))] = (
        None
    )
    seed: Annotated[
        int | None,
        Field(
            "Start of the random draw: the same seed and request give the same bytes. Of several pictures the first "
            "has this seed, and each further one the next.",
            0,
            2**32 - 2,
            examples=(42,),
        ),
    ] = None
    n: Annotated[int | None, Field("How many pictures.", 1, 16, unit="pictures", examples=(1,))] = None
    strength: Annotated[
        float | None,
        Field("How much of a picture that is given may change: 0 nothing, 1 everything.", 0, 1, examples=(0.8,)),
    ] = None
    scheduler: Annotated[
        Scheduler | None, Field("How noise becomes a picture; the model's own if not given.", examples=("ddim",))
    ] = None
    format: Annotated[ImageFormat | None, Field("The file format; PNG if not given.", examples=("png",))] = None
    preview_every: Annotated[
        int | None,
        Field(
            "Show a preview with the progress each time that many steps are done.", 1, 500, unit="steps", examples=(5,)
        ),
    ] = None
