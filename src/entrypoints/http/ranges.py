"""Parts of a content that a client asks for: `Range` and `If-Range` (RFC 9110, 14.2 and 13.1.5), one at a time."""

import re

from attrs import frozen

from .problems import RangeNotSatisfiable

_RANGE = re.compile(r"\s*bytes\s*=\s*(?P<first>[0-9]{0,30})\s*-\s*(?P<last>[0-9]{0,30})\s*", re.ASCII | re.IGNORECASE)


@frozen
class Part:
    """`length` bytes from `start` on, of a content of `size_bytes`."""

    start: int
    length: int
    size_bytes: int

    @property
    def content_range(self) -> str:
        """The value of `Content-Range`."""
        return f"bytes {self.start}-{self.start + self.length - 1}/{self.size_bytes}"


def wanted_part(header: str | None, if_range: str | None, etag: str, size_bytes: int) -> Part | None:
    """The part that a request wants; None for the whole, as for several ranges and what is no range.

    Raises:
        RangeNotSatisfiable: there is nothing of the content in the range.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or if_range not in (None, etag):
        return None
    first, last = found["first"], found["last"]
    if not first:
        return _suffix(int(last), size_bytes) if last else None
    if last and int(last) < int(first):
        return None
    return _between(int(first), min(int(last or size_bytes), size_bytes - 1), size_bytes)


def _suffix(length: int, size_bytes: int) -> Part:
    return _between(max(size_bytes - length, 0), size_bytes - 1, size_bytes)


def _between(first: int, last: int, size_bytes: int) -> Part:
    if first > last:
        raise RangeNotSatisfiable(detail=f"The content has {size_bytes} bytes.", size_bytes=size_bytes)
    return Part(first, last - first + 1, size_bytes)
