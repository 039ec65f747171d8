"""The trace that a request belongs to: W3C Trace Context, level 1, https://www.w3.org/TR/trace-context/."""

import re
import secrets

from attrs import frozen

_HEADER = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_NONE = (b"0" * 32, b"0" * 16)


@frozen
class Trace:
    """A trace by its id; `parent` is what the services are told that are asked for it: our own span is theirs above."""

    id: str
    parent: str


def read_trace(header: bytes) -> Trace | None:
    """The trace that `traceparent` names; None for a header that is none, as the standard has it."""
    found = _HEADER.fullmatch(header)
    if found is None or found[1] == b"ff" or found[2] == _NONE[0] or found[3] == _NONE[1]:
        return None
    trace_id = found[2].decode()
    return Trace(trace_id, f"00-{trace_id}-{secrets.token_hex(8)}-{found[4].decode()}")
