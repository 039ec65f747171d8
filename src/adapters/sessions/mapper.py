"""Between events and stored bytes: encrypted with the session's key, and chained by hashes.

The state of a stored event, format 1:

    sha256 (32 bytes) │ format (1 byte) │ length of the header (4 bytes, big-endian) │ header │ sealed values

The hash is over the session's id, the version, the topic and everything that follows it in the state. The header is
JSON that can be read without the key: the event's id, who caused it, when it was recorded, and the hash of the event
before. So the chain can be checked after the key is destroyed. A byte that was altered shows in the event it is in; if
its hash was made anew as well, in the next event, which names the hash that was.

The values are sealed (AES-256-GCM) and bound to all of id, version, topic and header: bytes moved to another place, or
given another author, do not open.

A chain alone does not show that its end was cut off, or that all of it was made anew: the list row keeps the last hash.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any

from attrs import asdict, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import Mapper, StoredEvent

from ...application.ports import Provenance, RecordedEvent
from ...domain.errors import GatewayError
from ...domain.session import SessionEvent
from .canonical_json import CanonicalJson
from .keyring import seal, unseal
from .topics import from_stored, to_stored

_FORMAT = b"\x01"
_HASH_BYTES, _LENGTH_BYTES = 32, 4
_HEADER_AT = _HASH_BYTES + len(_FORMAT) + _LENGTH_BYTES
_JSON = CanonicalJson()


@frozen(kw_only=True)
class ChainedEvent:
    """An event in its place in a stream; the library asks for the first two names."""

    originator_id: str
    originator_version: int
    event: SessionEvent
    event_id: str
    provenance: Provenance
    recorded_at: datetime
    previous_hash: str


class SessionMapper(Mapper[str]):
    """Maps the events of one session, with its key."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        super().__init__(transcoder=_JSON)
        self._sealer = AESGCM(key)

    def to_stored_event(self, chained: ChainedEvent) -> StoredEvent:  # type: ignore[override]  # ours, not any
        """Seal an event and link it to the one before."""
        topic, values = to_stored(chained.event)
        place = _place(chained.originator_id, chained.originator_version, topic)
        header = _header(chained)
        sealed = seal(self._sealer, self.transcoder.encode(values), place + header)
        body = _FORMAT + len(header).to_bytes(_LENGTH_BYTES, "big") + header + sealed
        return StoredEvent(
            originator_id=chained.originator_id,
            originator_version=chained.originator_version,
            topic=topic,
            state=sha256(place + body).digest() + body,
        )

    def to_domain_event(self, stored: StoredEvent) -> ChainedEvent:
        """Unseal an event, with who caused it and when; raises as `to_event`."""
        header, event = self._unsealed(stored)
        return _chained(stored, self.transcoder.decode(header), event)

    def to_event(self, stored: StoredEvent) -> SessionEvent:
        """Unseal an event alone, which is all that a fold needs.

        Raises:
            GatewayError: it was altered since it was stored, or a newer version of the gateway wrote it.
        """
        return self._unsealed(stored)[1]

    def _unsealed(self, stored: StoredEvent) -> tuple[bytes, SessionEvent]:
        session_id, version = str(stored.originator_id), stored.originator_version
        try:
            header, sealed = _split(stored.state)
            place = _place(session_id, version, stored.topic)
            values = self.transcoder.decode(unseal(self._sealer, sealed, place + header))
        except (InvalidTag, ValueError) as exc:
            raise GatewayError(
                detail=f"Event {version} of session {session_id} is not as it was stored: verify the session."
            ) from exc
        return header, from_stored(stored.topic, values)


def recorded(chained: ChainedEvent, stored: StoredEvent) -> RecordedEvent:
    """The event as an auditor sees it."""
    return RecordedEvent(
        session_id=chained.originator_id,
        version=chained.originator_version,
        event=chained.event,
        provenance=chained.provenance,
        recorded_at=chained.recorded_at,
        previous_hash=chained.previous_hash,
        hash=hash_of(stored),
    )


def hash_of(stored: StoredEvent) -> str:
    """The hash that the event was stored with."""
    return stored.state[:_HASH_BYTES].hex()


def is_intact(stored: StoredEvent, previous_hash: str) -> bool:
    """Whether the stored bytes are those that were hashed, and follow the event with that hash; needs no key."""
    try:
        header, _ = _split(stored.state)
        links_to = _JSON.decode(header)["previous_hash"]
        place = _place(str(stored.originator_id), stored.originator_version, stored.topic)
    except (ValueError, TypeError, KeyError):
        return False
    computed = sha256(place + stored.state[_HASH_BYTES:]).hexdigest()
    return bool(computed == hash_of(stored) and links_to == previous_hash)


def _place(session_id: str, version: int, topic: str) -> bytes:
    return _JSON.encode([session_id, version, topic])


def _header(chained: ChainedEvent) -> bytes:
    return _JSON.encode(
        {
            "event_id": chained.event_id,
            "recorded_at": chained.recorded_at.isoformat(),
            "previous_hash": chained.previous_hash,
            "provenance": asdict(chained.provenance),
        }
    )


def _split(state: bytes) -> tuple[bytes, bytes]:
    if not isinstance(state, bytes) or state[_HASH_BYTES : _HASH_BYTES + len(_FORMAT)] != _FORMAT:
        raise ValueError("not a stored event of format 1")
    header_ends = _HEADER_AT + int.from_bytes(state[_HEADER_AT - _LENGTH_BYTES : _HEADER_AT], "big")
    return state[_HEADER_AT:header_ends], state[header_ends:]


def _chained(stored: StoredEvent, header: dict[str, Any], event: SessionEvent) -> ChainedEvent:
    return ChainedEvent(
        originator_id=str(stored.originator_id),
        originator_version=stored.originator_version,
        event=event,
        event_id=header["event_id"],
        provenance=Provenance(**header["provenance"]),
        recorded_at=datetime.fromisoformat(header["recorded_at"]),
        previous_hash=header["previous_hash"],
    )
