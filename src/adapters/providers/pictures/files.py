"""Pictures of an answer, on their way into files: from base64, piece by piece, and looked at. Blocking: for threads."""

from binascii import a2b_base64
from collections.abc import Iterator
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Final

from ....domain.errors import PictureInvalid, ProviderBadResponse
from ....domain.generation import OutputFile
from ...disk_errors import disk_errors
from ...picture_headers import read_header

PICTURE_LIMIT_BYTES: Final = 64 * 2**20
"""The largest picture that is taken: larger than a PNG of 3840 × 2160 pixels whatever it shows."""

BASE64_LIMIT_BYTES: Final = -(-PICTURE_LIMIT_BYTES // 3) * 4

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PIECE: Final = 2**20  # characters of base64 that are decoded at once


def mapped(body: Path) -> mmap | bytes:
    """What is in the file of an answer, without reading it; the file is gone when this is not needed any more.

    Raises:
        GatewayError: it cannot be read.
    """
    with disk_errors(), body.open("rb") as file:
        size = body.stat().st_size
        body.unlink()
        return mmap(file.fileno(), 0, access=ACCESS_READ) if size else b""


def write_base64(encoded: memoryview, path: Path, provider: str) -> None:
    """Write what is encoded into a new file.

    Args:
        encoded: base64 inside a string of JSON.
        path: the file.
        provider: whose it is, for messages.

    Raises:
        ProviderBadResponse: it is not base64, or too much of it.
        InsufficientStorage, GatewayError: it could not be written.
    """
    size = 0
    with disk_errors(), path.open("xb") as file:
        for group in _groups(encoded):
            size += file.write(_decoded(group, provider))
            if size > PICTURE_LIMIT_BYTES:
                detail = f"Provider {provider!r} made a picture of more than {PICTURE_LIMIT_BYTES} bytes."
                raise ProviderBadResponse(detail=detail)


def decoded_png(encoded: memoryview, provider: str) -> bytes:
    """A picture that is to be a PNG.

    Raises:
        ProviderBadResponse: it is none, or too large.
    """
    content = b"".join(_decoded(group, provider) for group in _groups(encoded))
    if not content.startswith(_PNG):
        raise ProviderBadResponse(detail=f"Provider {provider!r} sent a preview that is no PNG.")
    return content


def picture_in(path: Path, wanted: str | None, provider: str) -> OutputFile:
    """What a file is by its header, whatever it was said to be.

    Raises:
        ProviderBadResponse: it is no picture, or not of the `wanted` format.
    """
    try:
        with disk_errors(), path.open("rb") as file:
            picture = read_header(file)
    except PictureInvalid as exc:
        raise ProviderBadResponse(detail=f"Provider {provider!r} made a file that is no picture.") from exc
    if wanted and picture.media_type != f"image/{wanted}":
        detail = f"Provider {provider!r} made a picture of {picture.media_type}, and was asked for {wanted}."
        raise ProviderBadResponse(detail=detail)
    facts = {"width": picture.width, "height": picture.height}
    return OutputFile(path=str(path), media_type=picture.media_type, facts=facts)


def _decoded(encoded: bytes, provider: str) -> bytes:
    try:
        return a2b_base64(encoded, strict_mode=True)
    except ValueError as exc:
        raise ProviderBadResponse(detail=f"Provider {provider!r} sent a picture that is not base64.") from exc


def _groups(encoded: memoryview) -> Iterator[bytes]:
    """Pieces that can each be decoded alone: whole fours of characters. Some servers escape the `/` among them."""
    rest = b""
    for begin in range(0, len(encoded), _PIECE):
        piece = (rest + encoded[begin : begin + _PIECE]).replace(b"\\/", b"/")
        end = len(piece) - len(piece) % 4
        if piece[:end].endswith(b"\\"):
            end -= 4
        rest = piece[end:]
        yield piece[:end]
    yield rest
