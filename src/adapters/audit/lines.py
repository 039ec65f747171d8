"""The lines of an export, `pluggably.audit.v1`: a manifest, an envelope for each event, and a seal.

Every line is canonical JSON (UTF-8, sorted keys, no white space) and ends with a line feed, so that one content has one
spelling, and a check may compare bytes.
"""

from base64 import b64decode, b64encode
from hashlib import sha256
from typing import Any

import msgspec

from ...application.audit import EventRecord

FORMAT = "pluggably.audit.v1"
_encoder = msgspec.json.Encoder(order="sorted")


class KeyLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key that signs: `public` is its raw 32 bytes in base64."""

    algorithm: str
    id: str
    public: str


class SessionLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A session of the export: how many events follow, and the hash of the last one."""

    id: str
    events: int
    head: str
    erased: bool


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line."""

    format: str
    origin: str
    exported_at: str
    events: int
    sessions: list[SessionLine]
    key: KeyLine


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An event; what the stored header says stands beside it once more, to be read easily."""

    session_id: str
    version: int
    type: str
    event_id: str
    recorded_at: str
    provenance: dict[str, Any]
    previous_hash: str
    hash: str
    stored_format: int
    header: str
    sealed: str
    salt: str | None
    data: msgspec.Raw


class Seal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The last line: how many events there are, the sha256 of all lines before it, and the signature of that."""

    events: int
    sha256: str
    signature: str


def write(line: msgspec.Struct) -> bytes:
    """A line, with its end."""
    return _encoder.encode(line) + b"\n"


def to_envelope(record: EventRecord) -> Envelope:
    """An event's line; raises ValueError, KeyError or TypeError if its header is not one."""
    header = msgspec.json.decode(record.header)
    return Envelope(
        session_id=record.session_id,
        version=record.version,
        type=record.topic,
        event_id=header["event_id"],
        recorded_at=header["recorded_at"],
        provenance=header["provenance"],
        previous_hash=header["previous_hash"],
        hash=record.hash,
        stored_format=record.format,
        header=record.header.decode(),
        sealed=to_base64(record.sealed),
        salt=None if record.salt is None else to_base64(record.salt),
        data=msgspec.Raw(record.values or b"null"),
    )


def to_record(envelope: Envelope) -> EventRecord:
    """The event of a line; raises ValueError if it cannot be one."""
    values = bytes(envelope.data)
    return EventRecord(
        session_id=envelope.session_id,
        version=envelope.version,
        topic=envelope.type,
        format=envelope.stored_format,
        header=envelope.header.encode(),
        sealed=from_base64(envelope.sealed),
        hash=envelope.hash,
        salt=None if envelope.salt is None else from_base64(envelope.salt),
        values=None if values == b"null" else values,
    )


def computed_hash(record: EventRecord) -> str:
    """The hash that an event has, by its place and its stored bytes."""
    place = _encoder.encode([record.session_id, record.version, record.topic])
    length = len(record.header).to_bytes(4, "big")
    return sha256(place + bytes([record.format]) + length + record.header + record.sealed).hexdigest()


def signed_message(digest: str) -> bytes:
    """What is signed of an export whose lines before the last have that hex sha256."""
    return f"{FORMAT}\n{digest}\n".encode()


def to_base64(content: bytes) -> str:
    """Base64 with padding (RFC 4648, section 4)."""
    return b64encode(content).decode()


def from_base64(text: str) -> bytes:
    """Its inverse; raises ValueError."""
    return b64decode(text, validate=True)
