"""Small pictures, made by a real encoder."""

import io

from PIL import Image


def encoded(kind: str, size: tuple[int, int] = (37, 23), mode: str = "RGB", **options) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 7).save(file, kind, **options)
    return file.getvalue()
