"""Pictures from outside are looked at before anything decodes them."""

import io
import struct
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pluggably.adapters.artifacts.pictures import HeaderPictures
from pluggably.adapters.picture_headers import read_header
from pluggably.application.artifact_ports import Picture
from pluggably.domain.errors import ArtifactTooLarge, PictureInvalid
from tests.pictures import encoded


def header_of(data: bytes) -> Picture:
    return read_header(io.BytesIO(data))


def png_header(width: int, height: int, kind: bytes = b"IHDR", depth: int = 8) -> bytes:
    body = kind + struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0d" + body + zlib.crc32(body).to_bytes(4, "big")


def jpeg(*segments: bytes) -> bytes:
    return b"\xff\xd8" + b"".join(segments)


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def frame(width: int, height: int, marker: int = 0xC0, bits: int = 8) -> bytes:
    return segment(marker, struct.pack(">BHHB", bits, height, width, 1) + b"\x01\x11\x00")


def webp(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(it)) + it + b"\0" * (len(it) % 2) for kind, it in chunks)
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def canvas(width: int, height: int, flags: int = 0) -> tuple[bytes, bytes]:
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"VP8X", bytes([flags, 0, 0, 0]) + size


def lossless(width: int, height: int) -> tuple[bytes, bytes]:
    return b"VP8L", b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little")


SCAN = segment(0xDA, b"\0")
REAL = {
    "png": encoded("PNG"),
    "png with a palette": encoded("PNG", mode="P"),
    "png of one bit": encoded("PNG", mode="1"),
    "jpeg": encoded("JPEG"),
    "progressive jpeg": encoded("JPEG", progressive=True),
    "grey jpeg with exif": encoded("JPEG", mode="L", exif=b"Exif\0\0" + b"x" * 60_000),
    "lossy webp": encoded("WEBP"),
    "lossless webp": encoded("WEBP", lossless=True),
    "webp with alpha": encoded("WEBP", mode="RGBA"),
    "webp with a profile": encoded("WEBP", icc_profile=b"x" * 1_001),
}


@pytest.mark.parametrize("data", REAL.values(), ids=REAL)
def test_real_pictures_are_as_large_as_their_encoder_made_them(data):
    picture = header_of(data)
    assert (picture.width, picture.height) == (37, 23)
    assert picture.media_type == f"image/{Image.open(io.BytesIO(data)).format.lower()}"


@pytest.mark.parametrize("data", REAL.values(), ids=REAL)
@given(fraction=st.floats(0, 1, exclude_max=True))
def test_a_picture_that_is_cut_off_gives_its_size_or_is_refused(data, fraction):
    cut = data[: int(len(data) * fraction)]
    try:
        assert header_of(cut) == header_of(data)
    except PictureInvalid:
        assert len(cut) < len(data)


@given(data=st.binary(max_size=300), start=st.sampled_from([b"", *(it[:30] for it in REAL.values())]))
def test_nonsense_is_refused_or_has_a_size(data, start):
    with suppress(PictureInvalid):
        assert header_of(start + data).width > 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a\x01\x00\x01\x00",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"BM" + bytes(50),
        png_header(0, 5),
        png_header(5, 5, kind=b"IDAT"),
        png_header(5, 5, depth=3),
        png_header(5, 5)[:-1] + b"\0",
        jpeg(SCAN),
        jpeg(frame(5, 5), frame(50_000, 50_000), SCAN),
        jpeg(frame(5, 0), SCAN),
        jpeg(frame(5, 5, marker=0xC3), SCAN),
        jpeg(frame(5, 5, bits=12), SCAN),
        jpeg(b"\xff\xe0\x00\x01", frame(5, 5), SCAN),
        jpeg(*[segment(0xE1, b"")] * 2_000, frame(5, 5), SCAN),
        jpeg(b"\xff" * 5_000),
        webp(canvas(10, 10), lossless(10, 11)),
        webp(canvas(10, 10), canvas(9, 9), lossless(9, 9)),
        webp(canvas(10, 10, flags=2), lossless(10, 10)),
        webp((b"ANMF", bytes(20)), lossless(10, 10)),
        webp(*[(b"EXIF", b"")] * 100, lossless(10, 10)),
    ],
    ids=range(21),
)
def test_what_is_no_picture_of_one_size_is_refused(data):
    with pytest.raises(PictureInvalid):
        header_of(data)


@pytest.mark.parametrize(
    "data",
    [
        png_header(2**31 - 1, 2**31 - 1),
        jpeg(frame(65_535, 65_535), SCAN),
        webp(canvas(16_384, 16_384), lossless(16_384, 16_384)),
    ],
    ids=["png", "jpeg", "webp"],
)
async def test_a_bomb_is_refused_by_its_header(data, tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(data)
    pictures = HeaderPictures(2**25)
    with pytest.raises(ArtifactTooLarge, match="pixels"):
        await pictures.examine(path)
    await pictures.close()


async def test_as_many_pixels_as_allowed_are_accepted_and_not_one_row_more(tmp_path):
    path, pictures = tmp_path / "picture", HeaderPictures(37 * 23)
    path.write_bytes(encoded("PNG", (37, 23)))
    assert await pictures.examine(path) == Picture(media_type="image/png", width=37, height=23)
    path.write_bytes(encoded("PNG", (37, 24)))
    with pytest.raises(ArtifactTooLarge):
        await pictures.examine(path)
    await pictures.close()
