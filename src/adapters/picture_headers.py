"""What the header of a PNG, JPEG or WebP file says. Nothing is decoded, so that no bomb goes off here.

PNG (third edition), JPEG (ITU-T T.81), WebP (RFC 9649, still pictures). Where a file names its size twice the two must
agree, because a decoder may believe either. What it cannot do: find out whether the pixels are whole.
"""

import struct
import zlib
from collections.abc import Callable
from typing import IO

from ..application.artifact_ports import Picture
from ..domain.errors import PictureInvalid

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type
_JPEG_START, _JPEG_SCAN, _JPEG_END = 0xD8, 0xDA, 0xD9
_JPEG_FRAMES = {0xC0, 0xC1, 0xC2}  # baseline, extended, progressive: what decoders take
_JPEG_OTHER_FRAMES = {*range(0xC3, 0xD0)} - {0xC4, 0xC8, 0xCC}
_WEBP_ANIMATED = 0x02
_MOST_SEGMENTS = 1_000
_MOST_CHUNKS = 64


def read_header(file: IO[bytes]) -> Picture:
    """What a file that can be sought in says of itself.

    Raises:
        PictureInvalid: it is not the beginning of a picture.
    """
    start = file.read(12)
    for media_type, begins, read_size in _FORMATS:
        if begins(start):
            width, height = read_size(file)
            if not (width and height):
                raise _invalid("has no pixels")
            return Picture(media_type=media_type, width=width, height=height)
    raise _invalid("is no PNG, JPEG or WebP picture")


def _png(file: IO[bytes]) -> tuple[int, int]:
    file.seek(len(_PNG))
    header, check = _exactly(file, 21), _exactly(file, 4)
    if header[:8] != b"\x00\x00\x00\x0dIHDR" or zlib.crc32(header[4:]).to_bytes(4, "big") != check:
        raise _invalid("does not begin with a PNG header")
    width, height, depth, colours, compression, filters, interlace = struct.unpack(">IIBBBBB", header[8:])
    if depth not in _PNG_DEPTHS.get(colours, ()) or compression or filters or interlace > 1:
        raise _invalid("has a PNG header of a kind that there is not")
    return width, height


def _jpeg(file: IO[bytes]) -> tuple[int, int]:
    """The size in the one frame header before the first scan."""
    file.seek(2)
    size = None
    for _ in range(_MOST_SEGMENTS):
        marker = _jpeg_marker(file)
        if marker in (_JPEG_SCAN, _JPEG_END):
            break
        length = int.from_bytes(_exactly(file, 2), "big") - 2
        if length < 0 or marker in _JPEG_OTHER_FRAMES:
            raise _invalid("is a JPEG picture of a kind that is not accepted")
        if marker in _JPEG_FRAMES:
            if size or length < 6:  # noqa: PLR2004 - precision, height, width, components
                raise _invalid("is a JPEG picture with more than one size")
            precision, height, width = struct.unpack(">BHH", _exactly(file, 5))
            if precision != 8:  # noqa: PLR2004 - bits, as it says below
                raise _invalid("is a JPEG picture of more than eight bits")
            size, length = (width, height), length - 5
        file.seek(length, 1)
    if size is None:
        raise _invalid("is a JPEG picture without a size")
    return size


def _jpeg_marker(file: IO[bytes]) -> int:
    """The next marker; any number of fill bytes may stand before it."""
    if _exactly(file, 1) != b"\xff":
        raise _invalid("is a damaged JPEG picture")
    for _ in range(_MOST_SEGMENTS):
        if (marker := _exactly(file, 1)[0]) != 0xFF:  # noqa: PLR2004 - what fill bytes are
            return marker
    raise _invalid("is a damaged JPEG picture")


def _webp(file: IO[bytes]) -> tuple[int, int]:
    """The size of the one picture, which must be that of the canvas if there is one."""
    file.seek(12)
    canvas = None
    for _ in range(_MOST_CHUNKS):
        kind, length = struct.unpack("<4sI", _exactly(file, 8))
        if kind in (b"VP8 ", b"VP8L"):
            size = _webp_lossy(file) if kind == b"VP8 " else _webp_lossless(file)
            if canvas not in (None, size):
                raise _invalid("is a WebP picture with two sizes")
            return size
        if kind in (b"ANIM", b"ANMF"):
            raise _invalid("is an animation")
        if kind == b"VP8X":
            if canvas:
                raise _invalid("is a WebP picture with two sizes")
            header = _exactly(file, 10)
            if header[0] & _WEBP_ANIMATED:
                raise _invalid("is an animation")
            canvas = (int.from_bytes(header[4:7], "little") + 1, int.from_bytes(header[7:10], "little") + 1)
            length -= 10
        if length < 0:
            raise _invalid("is a damaged WebP picture")
        file.seek(length + length % 2, 1)
    raise _invalid("is a WebP picture without pixels")


def _webp_lossy(file: IO[bytes]) -> tuple[int, int]:
    header = _exactly(file, 10)
    if header[0] & 1 or header[3:6] != b"\x9d\x01\x2a":
        raise _invalid("is a damaged WebP picture")
    width, height = struct.unpack("<HH", header[6:])
    return width & 0x3FFF, height & 0x3FFF


def _webp_lossless(file: IO[bytes]) -> tuple[int, int]:
    header = _exactly(file, 5)
    bits = int.from_bytes(header[1:], "little")
    if header[0] != 0x2F or bits >> 29:  # noqa: PLR2004 - the signature; a version that there is not
        raise _invalid("is a damaged WebP picture")
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


_FORMATS: tuple[tuple[str, Callable[[bytes], bool], Callable[[IO[bytes]], tuple[int, int]]], ...] = (
    ("image/png", lambda start: start.startswith(_PNG), _png),
    ("image/jpeg", lambda start: start.startswith(b"\xff\xd8\xff"), _jpeg),
    ("image/webp", lambda start: start[:4] == b"RIFF" and start[8:] == b"WEBP", _webp),
)


def _exactly(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise _invalid("ends amid its header")
    return data


def _invalid(what: str) -> PictureInvalid:
    return PictureInvalid(detail=f"The file {what}.")
