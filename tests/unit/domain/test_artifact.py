"""What is kept, how it is delivered, and what may be given as an input."""

from datetime import UTC, datetime, timedelta

import pytest

from pluggably.domain.artifact import (
    MOST_INLINE_BYTES,
    Artifact,
    Content,
    Origin,
    goes_inline,
    plain_media_type,
    require_picture,
)
from pluggably.domain.errors import UnsupportedMediaType

NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


def an_artifact(**facts) -> Artifact:
    ordinary = {"id": "art_1", "owner": "local", "media_type": "image/png", "origin": Origin.UPLOADED}
    content = Content(sha256="a" * 64, size_bytes=3)
    return Artifact(**(ordinary | {"content": content, "created_at": NOON} | facts))


@pytest.mark.parametrize(
    ("delivery", "size_bytes", "inline"),
    [
        ("auto", 100, True),
        ("auto", 101, False),
        ("inline", 101, True),
        ("inline", MOST_INLINE_BYTES, True),
        ("inline", MOST_INLINE_BYTES + 1, False),
        ("url", 0, False),
    ],
)
def test_an_answer_has_a_file_as_it_was_asked_for_or_as_its_size_suggests(delivery, size_bytes, inline):
    assert goes_inline(delivery, size_bytes, threshold_bytes=100) is inline


def test_no_threshold_puts_a_huge_file_into_an_answer():
    assert not goes_inline("auto", MOST_INLINE_BYTES + 1, threshold_bytes=2**40)


def test_an_artifact_is_kept_until_its_time_is_over_or_for_ever():
    assert an_artifact().is_kept(NOON + timedelta(days=36_500))
    kept = an_artifact(kept_until=NOON)
    assert (kept.is_kept(NOON - timedelta(seconds=1)), kept.is_kept(NOON)) == (True, False)


@pytest.mark.parametrize(
    ("media_type", "name"),
    [("image/jpeg", "art_1.jpg"), ("model/gltf-binary", "art_1.glb"), ("text/html", "art_1.bin")],
)
def test_a_download_is_called_by_the_id_and_what_it_is(media_type, name):
    assert an_artifact(media_type=media_type).file_name == name


@pytest.mark.parametrize(
    ("said", "plain"),
    [
        ("Image/PNG; charset=x", "image/png"),
        ("model/gltf-binary", "model/gltf-binary"),
        ("", "application/octet-stream"),
        ("image", "application/octet-stream"),
        ("image/png\r\nx: y", "application/octet-stream"),
        ("image/" + "p" * 100, "application/octet-stream"),
    ],
)
def test_a_media_type_is_plain_or_the_most_general_one(said, plain):
    assert plain_media_type(said) == plain


@pytest.mark.parametrize("said", ["image/gif", "image/svg+xml", "text/html", "", "application/octet-stream"])
def test_only_pictures_that_can_be_checked_are_inputs(said):
    with pytest.raises(UnsupportedMediaType, match="image/png"):
        require_picture(said)
    assert require_picture("image/webp") == "image/webp"
