"""The trace that a request belongs to: W3C Trace Context, level 1, https://www.w3.org/TR/trace-context/."""

import re

from ...application.tracing import SpanContext

_HEADER = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_NONE = (b"0" * 32, b"0" * 16)


def read_trace(header: bytes) -> SpanContext | None:
    """The span that `traceparent` names; None for a header that is none, as the standard has it."""
    found = _HEADER.fullmatch(header)
    if found is None or found[1] == b"ff" or found[2] == _NONE[0] or found[3] == _NONE[1]:
        return None
    return SpanContext(found[2].decode(), found[3].decode(), found[4].decode())
