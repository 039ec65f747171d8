"""Exports as JSON Lines: our own format, signed, and CloudEvents 1.0 (structured JSON), for buses that know those.

CloudEvents cannot carry what a check needs (the stored bytes), nor a signature over several events.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from ...application.audit import EventRecord, Exporter, PublicKey, Signer, StreamHead
from .lines import FORMAT, KeyLine, Manifest, Seal, SessionLine, signed_message, to_base64, to_envelope, write

_encoder = msgspec.json.Encoder(order="sorted")


class SignedLines:
    """Implements `ExportWriter`: `pluggably.audit.v1`, which can be checked without the gateway."""

    def __init__(self, *, signer: Signer, exported_at: datetime) -> None:
        """`signer` signs the end, and is named at the beginning."""
        self._signer, self._exported_at = signer, exported_at
        self._digest, self._events = sha256(), 0

    def opening(self, streams: Sequence[StreamHead]) -> bytes:
        """The manifest."""
        return self._digested(write(_manifest(streams, self._signer.public_key(), self._exported_at)))

    def events(self, events: Sequence[EventRecord]) -> bytes:
        """An envelope for each."""
        self._events += len(events)
        return self._digested(b"".join([write(to_envelope(it)) for it in events]))

    def ending(self) -> bytes:
        """The seal."""
        digest = self._digest.hexdigest()
        signature = to_base64(self._signer.sign(signed_message(digest)))
        return write(Seal(events=self._events, sha256=digest, signature=signature))

    def _digested(self, lines: bytes) -> bytes:
        self._digest.update(lines)
        return lines


class CloudEvents:
    """Implements `ExportWriter`: CloudEvents 1.0, one a line, with nothing before or after them."""

    def __init__(self, *, signer: Signer, exported_at: datetime) -> None:  # noqa: ARG002 - has no place in them
        """`signer` is the gateway that the events come from."""
        self._signer, self._source = signer, ""

    def opening(self, streams: Sequence[StreamHead]) -> bytes:  # noqa: ARG002 - the port's
        """Nothing."""
        self._source = origin(self._signer.public_key())
        return b""

    def events(self, events: Sequence[EventRecord]) -> bytes:
        """An object for each."""
        return _encoder.encode_lines([cloudevent(it, self._source) for it in events])

    def ending(self) -> bytes:
        """Nothing."""
        return b""


def origin(key: PublicKey) -> str:
    """The gateway, as exports name it."""
    return f"urn:pluggably:{key.id}"


def cloudevent(record: EventRecord, source: str) -> dict[str, Any]:
    """One event; attributes without a value are left out, as the specification wants it."""
    header = msgspec.json.decode(record.header)
    optional = {
        "causationid": header["provenance"].get("causation_id"),
        "prevhash": header["previous_hash"],
        "data": record.values and msgspec.Raw(record.values),
    }
    return {
        "specversion": "1.0",
        "id": header["event_id"],
        "source": source,
        "type": f"pluggably.{record.topic}",
        "subject": record.session_id,
        "time": header["recorded_at"],
        "datacontenttype": "application/json",
        "sessionversion": record.version,
        "correlationid": header["provenance"]["request_id"],
        "hash": record.hash,
    } | {name: value for name, value in optional.items() if value}


FORMATS: dict[str, Exporter] = {"jsonl": SignedLines, "cloudevents": CloudEvents}


def _manifest(streams: Sequence[StreamHead], key: PublicKey, exported_at: datetime) -> Manifest:
    return Manifest(
        format=FORMAT,
        origin=origin(key),
        exported_at=exported_at.isoformat(),
        events=sum(it.events for it in streams),
        sessions=[SessionLine(id=it.id, events=it.events, head=it.head, erased=it.erased) for it in streams],
        key=KeyLine(algorithm="Ed25519", id=key.id, public=to_base64(key.raw)),
    )
