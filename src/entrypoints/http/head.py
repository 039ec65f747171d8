"""What the headers of a request say of it, before anything else looks at it."""

import re
import secrets
from collections.abc import Mapping
from itertools import count
from typing import Any

from ...application.tracing import SpanContext
from .tracing import read_trace

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_PROCESS = secrets.token_hex(8)
_numbers = count()


def credential(scope: Mapping[str, Any]) -> str | None:
    """What `Authorization: Bearer` or `X-API-Key` shows; of several, which may not mean the same, nothing good."""
    shown = []
    for name, value in scope["headers"]:
        if name == b"authorization":
            kind, _, credential = value.decode("latin-1").strip().partition(" ")
            shown.append(credential.strip() if kind.lower() == "bearer" else "")
        elif name == b"x-api-key":
            shown.append(value.decode("latin-1").strip())
    if len(shown) > 1:
        return ""
    return shown[0] if shown else None


def read(scope: Mapping[str, Any]) -> tuple[str, int, SpanContext | None]:
    """The request's id, the client's own if it is well-formed, the announced length, and the span it was sent by."""
    request_id, length, trace = b"", b"", b""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            request_id = value
        elif name == b"content-length":
            length = value
        elif name == b"traceparent":
            trace = value
    named = request_id.decode() if _REQUEST_ID.fullmatch(request_id) else _new_request_id()
    return named, int(length) if length.isdigit() else 0, read_trace(trace) if trace else None


def _new_request_id() -> str:
    """One that no other request has: nobody has to be unable to guess it."""
    return f"req_{_PROCESS}{next(_numbers):08x}"
