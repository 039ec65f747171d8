"""Exports as JSON Lines: our own format, signed, and CloudEvents 1.0 (structured JSON), for buses that know those.

CloudEvents cannot carry what a check needs (the stored bytes), nor a signature over several events.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from ...application.audit import EventRecord, Exporter, PublicKey, SessionRecord, Signer
from .lines import FORMAT, KeyLine, Manifest, Seal, SessionLine, signed_message, to_base64, to_envelope, write

_encoder = msgspec.json.Encoder(order="sorted")


def export_lines(sessions: Sequence[SessionRecord], *, signer: Signer, exported_at: datetime) -> bytes:
    """Sessions as `pluggably.audit.v1`, which can be checked without the gateway."""
    events = [event for session in sessions for event in session.events]
    manifest = _manifest(sessions, signer.public_key(), exported_at)
    lines = b"".join([write(manifest), *(write(to_envelope(event)) for event in events)])
    digest = sha256(lines).hexdigest()
    signature = to_base64(signer.sign(signed_message(digest)))
    return lines + write(Seal(events=len(events), sha256=digest, signature=signature))


def export_cloudevents(
    sessions: Sequence[SessionRecord],
    *,
    signer: Signer,
    exported_at: datetime,  # noqa: ARG001 - the port's; a CloudEvent has no place for it
) -> bytes:
    """Sessions as CloudEvents 1.0, one a line."""
    source = origin(signer.public_key())
    return _encoder.encode_lines([cloudevent(event, source) for session in sessions for event in session.events])


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


FORMATS: dict[str, Exporter] = {"jsonl": export_lines, "cloudevents": export_cloudevents}


def _manifest(sessions: Sequence[SessionRecord], key: PublicKey, exported_at: datetime) -> Manifest:
    return Manifest(
        format=FORMAT,
        origin=origin(key),
        exported_at=exported_at.isoformat(),
        events=sum(len(it.events) for it in sessions),
        sessions=[
            SessionLine(
                id=it.id,
                events=len(it.events),
                head=it.events[-1].hash if it.events else "",
                erased=all(event.values is None for event in it.events),
            )
            for it in sessions
        ],
        key=KeyLine(algorithm="Ed25519", id=key.id, public=to_base64(key.raw)),
    )
