"""A range is the slice that it names, or there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.entrypoints.http.problems import RangeNotSatisfiable
from pluggably.entrypoints.http.ranges import Part, wanted_part

DATA = bytes(range(200))


def slice_of(header: str, data: bytes = DATA) -> bytes | None:
    part = wanted_part(header, None, "etag", len(data))
    return None if part is None else data[part.start : part.start + part.length]


@given(first=st.integers(0, 300), last=st.integers(0, 300))
def test_from_one_byte_to_another_both_included(first, last):
    if last < first:
        assert slice_of(f"bytes={first}-{last}") is None
    elif first >= len(DATA):
        with pytest.raises(RangeNotSatisfiable):
            slice_of(f"bytes={first}-{last}")
    else:
        assert slice_of(f"bytes={first}-{last}") == DATA[first : last + 1]


@given(first=st.integers(0, len(DATA) - 1))
def test_from_a_byte_to_the_end(first):
    assert slice_of(f"bytes={first}-") == DATA[first:]


@given(length=st.integers(1, 300))
def test_the_last_bytes(length):
    assert slice_of(f"bytes=-{length}") == DATA[-length:]


@pytest.mark.parametrize("header", ["bytes=200-", "bytes=200-300", "bytes=-0", f"bytes={'9' * 30}-"])
def test_behind_the_end_there_is_nothing(header):
    with pytest.raises(RangeNotSatisfiable) as refused:
        slice_of(header)
    assert refused.value.size_bytes == 200


def test_of_nothing_there_is_no_part():
    for header in ("bytes=0-", "bytes=-1", "bytes=0-0"):
        with pytest.raises(RangeNotSatisfiable):
            slice_of(header, b"")


NO_RANGES = (
    *("", "bytes", "bytes=", "bytes=-", "bytes=a-b", "items=0-1", "bytes=0-1,3-4", "bytes=0--1", "bytes=+0-1"),
    *("bytes=٠-١", "bytes=0-1;", "0-1", f"bytes=0-{'9' * 31}"),
)


@pytest.mark.parametrize("header", NO_RANGES)
def test_what_is_not_one_range_is_the_whole(header):
    assert slice_of(header) is None


def test_without_a_header_it_is_the_whole():
    assert wanted_part(None, None, "etag", 200) is None


@given(header=st.text())
def test_no_header_breaks_it(header):
    try:
        part = wanted_part(header, None, "etag", 200)
    except RangeNotSatisfiable:
        return
    assert part is None or 0 <= part.start < part.start + part.length <= 200


def test_a_part_of_another_content_is_not_wanted():
    assert wanted_part("bytes=0-1", '"a"', '"a"', 200) == Part(0, 2, 200)
    for other in ('"b"', 'W/"a"', "Tue, 01 Jan 2030 00:00:00 GMT"):
        assert wanted_part("bytes=0-1", other, '"a"', 200) is None


def test_a_part_says_where_it_is():
    assert Part(5, 10, 200).content_range == "bytes 5-14/200"
