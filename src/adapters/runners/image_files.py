"""Pictures on disk: those of a request, opened with care, and those that were made, written the same way each time."""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from attrs import frozen
from PIL import Image, ImageOps

from ...domain.errors import InvalidRequest
from ...domain.generation import InputFile, OutputFile
from ...domain.parameters.image import ImageFormat

READABLE = ("PNG", "JPEG", "WEBP")
"""The formats that are opened, whatever a file is called: others have decoders that see few eyes."""

MAX_PIXELS = 64 * 2**20
"""The largest picture that is decoded: a small file can unfold to any size."""

PREVIEW_PIXELS = 128
"""The longer side of a preview, at most."""

_WRITTEN: Mapping[ImageFormat, Mapping[str, Any]] = {
    "png": {},
    "jpeg": {"quality": 95, "subsampling": 0},
    "webp": {"quality": 95, "method": 4},
}


@frozen
class Pictures:
    """What a request shows: at most one picture (RGB, upright), and a mask for it (white: here) of the same size."""

    image: Image.Image | None = None
    mask: Image.Image | None = None

    def resized(self, width: int, height: int) -> "Pictures":
        """Both in another size."""
        image = self.image.resize((width, height), Image.Resampling.LANCZOS) if self.image else None
        mask = self.mask.resize((width, height), Image.Resampling.BILINEAR) if self.mask else None
        return Pictures(image, mask)


def open_pictures(files: Sequence[InputFile]) -> Pictures:
    """The picture and the mask among the files.

    Raises:
        InvalidRequest: there are more of them, or a mask for nothing, or one cannot be read.
    """
    images, masks = ([file for file in files if file.use == use] for use in ("image", "mask"))
    if len(images) > 1 or len(masks) > len(images):
        raise InvalidRequest.at(
            "/input", "the model takes one picture, with or without a mask", ("one image", "one image and one mask")
        )
    image = _on_white(_opened(images[0])) if images else None
    mask = _opened(masks[0]).convert("L") if masks else None
    if image and mask and image.size != mask.size:
        sizes = " and ".join(f"{width}×{height}" for width, height in (image.size, mask.size))
        raise InvalidRequest.at("/input", f"the picture and its mask must be of one size, not {sizes}")
    return Pictures(image, mask)


def write_picture(picture: Image.Image, stem: Path, kind: ImageFormat) -> OutputFile:
    """Write `stem.<kind>`; the same picture gives the same bytes."""
    path = stem.with_suffix(f".{kind}")
    picture = picture if kind != "jpeg" else picture.convert("RGB")
    picture.save(path, kind.upper(), **_WRITTEN[kind])
    facts = {"width": picture.width, "height": picture.height}
    return OutputFile(path=str(path), media_type=f"image/{kind}", facts=facts)


def preview_png(picture: Image.Image) -> bytes:
    """The picture as a small PNG."""
    picture.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
    buffer = BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _opened(file: InputFile) -> Image.Image:
    try:
        with Image.open(file.path, formats=READABLE) as image:
            size, upright = image.size, _upright(image)
    except MemoryError:
        raise
    except Exception as exc:  # damaged pictures made Pillow 13 raise eight classes, `struct.error` among them
        raise InvalidRequest.at("/input", f"the {file.use} cannot be read", READABLE) from exc
    if upright is None:
        width, height = size
        raise InvalidRequest.at("/input", f"a picture must have at most {MAX_PIXELS} pixels, not {width}×{height}")
    return upright


def _upright(image: Image.Image) -> Image.Image | None:
    """The picture as its camera was held, decoded; None if it is too large for that."""
    return ImageOps.exif_transpose(image) if image.width * image.height <= MAX_PIXELS else None


def _on_white(image: Image.Image) -> Image.Image:
    """Without transparency: what lies under it was never meant to be seen."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
