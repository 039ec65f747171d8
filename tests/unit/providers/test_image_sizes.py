import pytest

from pluggably.adapters.providers.openai.image_kinds import kind_of
from pluggably.adapters.providers.pictures.sizes import ImageSizes, named_sizes
from pluggably.domain.errors import InvalidRequest
from pluggably.domain.parameters import ImageParameters


def size_of(sizes: ImageSizes, width: int | None, height: int | None) -> str | None:
    return sizes.of(ImageParameters(width=width, height=height))


@pytest.mark.parametrize(
    ("model", "width", "height"),
    [
        ("gpt-image-1.5", 1536, 1024),
        ("gpt-image-1-mini", 1024, 1536),
        ("gpt-image-2", 1536, 864),
        ("gpt-image-2", 3840, 2160),
        ("gpt-image-2.5-flare-2026-09-08", 1024, 3072),
        ("openai/gpt-image-2", 1536, 864),
        ("dall-e-3", 1792, 1024),
        ("flux", 37, 4096),
    ],
)
def test_a_size_that_the_model_makes_is_sent(model, width, height):
    assert size_of(kind_of(model).sizes, width, height) == f"{width}x{height}"


@pytest.mark.parametrize(
    ("model", "width", "height", "said"),
    [
        ("gpt-image-1.5", 1536, 864, "it makes 1024x1024, 1536x1024, 1024x1536"),
        ("gpt-image-2", 1000, 1000, "multiples of 16"),
        ("gpt-image-2", 4096, 2048, "at most 3840"),
        ("gpt-image-2", 1024, 3088, "3 times"),
        ("gpt-image-2", 3840, 3840, "8294400 pixels"),
        ("dall-e-3", 512, 512, "1792x1024"),
        ("dall-e-2", 1792, 1024, "256x256"),
    ],
)
def test_one_that_it_does_not_make_is_refused_with_what_it_makes(model, width, height, said):
    with pytest.raises(InvalidRequest, match=said):
        size_of(kind_of(model).sizes, width, height)


def test_no_size_is_left_to_the_model():
    assert size_of(kind_of("gpt-image-2").sizes, None, None) is None


@pytest.mark.parametrize(("width", "height", "missing"), [(512, None, "height"), (None, 512, "width")])
def test_half_a_size_is_refused_at_the_other_half(width, height, missing):
    with pytest.raises(InvalidRequest) as refused:
        size_of(ImageSizes(), width, height)
    assert refused.value.violations[0].pointer == f"/parameters/{missing}"


def test_the_sizes_of_a_configuration_are_the_only_ones_unless_it_says_all():
    assert size_of(named_sizes(("*",)), 3, 5) == "3x5"
    with pytest.raises(InvalidRequest, match="512x512"):
        size_of(named_sizes(("512x512",)), 3, 5)


@pytest.mark.parametrize("wrong", ["512", "512X512", "0x512", "", "512x512 "])
def test_what_is_no_size_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match="image_sizes"):
        named_sizes((wrong,))
