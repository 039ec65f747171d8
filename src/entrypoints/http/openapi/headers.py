"""The headers that operations take and answers have."""

from typing import Final

from .operation import Header

IF_MATCH_SESSION: Final = Header(
    "If-Match",
    "Insist on the version of the session that you have seen: its `ETag`.",
    {"type": "string", "pattern": r'^(?:\*|(?:W/)?"[0-9]{1,18}")$', "examples": ['"3"']},
)
IF_MATCH_MODEL: Final = Header(
    "If-Match",
    "Insist that nobody has changed what is said of the model: its `ETag`.",
    {"type": "string", "pattern": r'^(?:\*|(?:W/)?"[0-9]{1,18}\.[0-9a-f]+")$', "examples": ['"3.f00ba4"']},
)
IF_NONE_MATCH: Final = Header("If-None-Match", "The `ETag` that you have already: 304 if it is still the same.")
IDEMPOTENCY_KEY: Final = Header(
    "Idempotency-Key",
    "Your name for this request: sent again under it, it gets the first answer. Only for turns of a session, for "
    "opening one, and for generations in the background.",
    {"type": "string", "pattern": "^[!-~]{1,255}$", "examples": ["4f1c9a"]},
)
PREFER: Final = Header(
    "Prefer",
    "`wait=<seconds>`: how long to wait for the end of a generation in the background, 600 at most.",
    {"type": "string", "examples": ["wait=20"]},
)
LAST_EVENT_ID: Final = Header(
    "Last-Event-ID",
    "The id of the last event that you have: go on behind it.",
    {"type": "string", "pattern": "^[0-9]{1,18}$", "examples": ["7"]},
)
RANGE: Final = Header("Range", "A part of the content.", {"type": "string", "examples": ["bytes=0-1023"]})
IF_RANGE: Final = Header("If-Range", "The `ETag` that the part must be of; else the whole comes.")

ETAG: Final = Header("ETag", "Which state this is, for `If-Match` and `If-None-Match`.")
LOCATION: Final = Header("Location", "Where it is.", {"type": "string", "format": "uri-reference"})
RETRY_AFTER: Final = Header("Retry-After", "How many seconds to wait.", {"type": "integer", "minimum": 0})
PREFERENCE_APPLIED: Final = Header("Preference-Applied", "The preference that was honoured.")
REQUEST_ID: Final = Header("X-Request-Id", "The request's id: yours if it is well-formed.")
CHALLENGE: Final = Header("WWW-Authenticate", "How to show credentials.")
CONTENT_RANGE: Final = Header("Content-Range", "Which part this is, and of how much.")
