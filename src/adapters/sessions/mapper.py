"""Between events and stored bytes: encrypted with the session's key, and chained by hashes.

The state of a stored event, format 2:

    sha256 (32 bytes) │ format (1 byte) │ length of the header (4 bytes, big-endian) │ header │ sealed values

The hash is over the session's id, the version, the topic and everything that follows it in the state. The header is
JSON that can be read without the key: the event's id, who caused it, when it was recorded, the hash of the event
before, and a commitment to the values. So the chain can be checked after the key is destroyed. A byte that was altered
shows in the event it is in; if its hash was made anew as well, in the next event, which names the hash that was.

What is sealed (AES-256-GCM) is a salt of 16 random bytes, then the values as canonical JSON. It is bound to all of id,
version, topic and header: bytes moved to another place, or given another author, do not open. The commitment is the
sha256 of salt and values: whoever is shown both can check them against the chain, and once the key is destroyed it
tells nothing, not even to somebody who guesses the values.

Format 1, which is only read, has neither salt nor commitment.

A chain alone does not show that its end was cut off, or that all of it was made anew: the list row keeps the last hash.
"""

import os
from datetime import datetime
from hashlib import sha256
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from attrs import asdict, frozen
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from eventsourcing.persistence import Mapper, StoredEvent

from ...application.audit import EventRecord
from ...application.ports import Provenance, RecordedEvent
from ...domain.errors import GatewayError
from ...domain.session import SessionEvent
from ..sealing import seal, unseal
from . import topics
from .canonical_json import CanonicalJson
from .topics import Values, from_stored

_FORMAT = b"\x02"
_WITHOUT_SALT = b"\x01"
_FORMATS = (_FORMAT, _WITHOUT_SALT)
HASH_BYTES, _LENGTH_BYTES, _SALT_BYTES = 32, 4, 16
_FORMAT_AT, _LENGTH_AT = HASH_BYTES, HASH_BYTES + len(_FORMAT)
_HEADER_AT = _LENGTH_AT + _LENGTH_BYTES
_JSON = CanonicalJson()

E = TypeVar("E")


class _Link(msgspec.Struct):
    """Of a header, what the chain is made of."""

    previous_hash: str


_read_link = msgspec.json.Decoder(_Link).decode
_encode = msgspec.json.Encoder().encode


@frozen(kw_only=True)
class ChainedEvent(Generic[E]):
    """An event in its place in a stream; the library asks for the first two names."""

    originator_id: str
    originator_version: int
    event: E
    event_id: str
    provenance: Provenance
    recorded_at: datetime
    previous_hash: str


class Topics(Protocol[E]):
    """How the events of a kind of stream are named and written."""

    def to_stored(self, event: E, /) -> tuple[str, Values]:
        """The topic and the values of an event."""
        ...

    def from_stored(self, topic: str, values: Values, /) -> E:
        """The event; raises GatewayError if it is not known."""
        ...


class StreamMapper(Mapper[str], Generic[E]):
    """Maps the events of one stream, with its key."""

    def __init__(self, key: bytes, topics: Topics[E]) -> None:
        """`key` has 32 bytes."""
        super().__init__(transcoder=_JSON)
        self._sealer, self._topics = AESGCM(key), topics

    def to_stored_event(self, chained: ChainedEvent[E]) -> StoredEvent:  # type: ignore[override]  # ours, not any
        """Seal an event and link it to the one before."""
        topic, values = self._topics.to_stored(chained.event)
        place = _place(chained.originator_id, chained.originator_version, topic)
        content = os.urandom(_SALT_BYTES) + self.transcoder.encode(values)
        header = _header(chained, content_digest=sha256(content).hexdigest())
        sealed = seal(self._sealer, content, place + header)
        body = _FORMAT + len(header).to_bytes(_LENGTH_BYTES, "big") + header + sealed
        return StoredEvent(
            originator_id=chained.originator_id,
            originator_version=chained.originator_version,
            topic=topic,
            state=sha256(place + body).digest() + body,
        )

    def to_domain_event(self, stored: StoredEvent) -> ChainedEvent[E]:
        """Unseal an event, with who caused it and when; raises as `to_event`."""
        state, _, values = self._unsealed(stored)
        event = self._topics.from_stored(stored.topic, self.transcoder.decode(values))
        return _chained(stored, self.transcoder.decode(state.header), event)

    def to_event(self, stored: StoredEvent) -> E:
        """Unseal an event alone, which is all that a fold needs.

        Raises:
            GatewayError: it was altered since it was stored, or a newer version of the gateway wrote it.
        """
        return self._topics.from_stored(stored.topic, self.transcoder.decode(self._unsealed(stored)[2]))

    def to_content(self, stored: StoredEvent) -> tuple[bytes, bytes]:
        """Unseal an event's salt, empty in format 1, and its values as they were stored; raises as `to_event`."""
        return self._unsealed(stored)[1:]

    def _unsealed(self, stored: StoredEvent) -> "tuple[_State, bytes, bytes]":
        session_id, version = str(stored.originator_id), stored.originator_version
        try:
            state = _split(stored.state)
            bound_to = _place(session_id, version, stored.topic) + state.header
            content = unseal(self._sealer, state.sealed, bound_to)
        except (InvalidTag, ValueError) as exc:
            raise GatewayError(
                detail=f"Event {version} of session {session_id} is not as it was stored: verify the session."
            ) from exc
        return state, content[: state.salt_bytes], content[state.salt_bytes :]


class SessionMapper(StreamMapper[SessionEvent]):
    """Maps the events of one session."""

    def __init__(self, key: bytes) -> None:
        """`key` has 32 bytes."""
        super().__init__(key, topics)


def record(stored: StoredEvent, mapper: SessionMapper | None) -> EventRecord:
    """The event as it is stored, and opened if there is still a key to do it with.

    Raises:
        GatewayError: it was altered since it was stored.
    """
    try:
        state = _split(stored.state)
        _JSON.decode(state.header)
    except ValueError as exc:
        raise GatewayError(detail=f"Event {stored.originator_version} is not as it was stored.") from exc
    salt, values = mapper.to_content(stored) if mapper else (None, None)
    return EventRecord(
        session_id=str(stored.originator_id),
        version=stored.originator_version,
        topic=stored.topic,
        format=state.format[0],
        header=state.header,
        sealed=state.sealed,
        hash=hash_of(stored),
        salt=salt or None,
        values=values,
    )


def read_record(record: EventRecord) -> RecordedEvent:
    """The event of a record that shows its values; raises GatewayError for one that is not known here."""
    event = from_stored(record.topic, _JSON.decode(record.values or b"{}"))
    try:
        header = _JSON.decode(record.header)
        return RecordedEvent(
            id=header["event_id"],
            session_id=record.session_id,
            version=record.version,
            event=event,
            provenance=Provenance(**header["provenance"]),
            recorded_at=datetime.fromisoformat(header["recorded_at"]),
            previous_hash=header["previous_hash"],
            hash=record.hash,
        )
    except (ValueError, TypeError, KeyError) as exc:
        raise GatewayError(
            detail=f"The header of event {record.version} of session {record.session_id} is not known here."
        ) from exc


def recorded(chained: ChainedEvent[SessionEvent], stored: StoredEvent) -> RecordedEvent:
    """The event as an auditor sees it."""
    return RecordedEvent(
        id=chained.event_id,
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
    return stored.state[:HASH_BYTES].hex()


def is_intact(stored: StoredEvent, previous_hash: str) -> bool:
    """Whether the stored bytes are those that were hashed, and follow the event with that hash; needs no key."""
    return linked_to(str(stored.originator_id), stored.originator_version, stored.topic, stored.state) == previous_hash


def linked_to(session_id: str, version: int, topic: str, state: bytes) -> str | None:
    """The hash that the event names as that of the one before, if the stored bytes are those that were hashed."""
    try:
        previous_hash = _read_link(state[_HEADER_AT : _header_ends(state)]).previous_hash
        computed = sha256(_place(session_id, version, topic) + state[HASH_BYTES:]).digest()
    except (ValueError, TypeError):
        return None
    return previous_hash if computed == state[:HASH_BYTES] else None


def _place(session_id: str, version: int, topic: str) -> bytes:
    return _encode((session_id, version, topic))


def _header(chained: ChainedEvent[Any], *, content_digest: str) -> bytes:
    return _JSON.encode(
        {
            "event_id": chained.event_id,
            "recorded_at": chained.recorded_at.isoformat(),
            "previous_hash": chained.previous_hash,
            "provenance": asdict(chained.provenance),
            "content_digest": content_digest,
        }
    )


@frozen
class _State:
    format: bytes
    header: bytes
    sealed: bytes

    @property
    def salt_bytes(self) -> int:
        return 0 if self.format == _WITHOUT_SALT else _SALT_BYTES


def _split(state: bytes) -> _State:
    header_ends = _header_ends(state)
    return _State(state[_FORMAT_AT:_LENGTH_AT], state[_HEADER_AT:header_ends], state[header_ends:])


def _header_ends(state: bytes) -> int:
    if not isinstance(state, bytes) or state[_FORMAT_AT:_LENGTH_AT] not in _FORMATS:
        raise ValueError("not a stored event of a known format")
    return _HEADER_AT + int.from_bytes(state[_LENGTH_AT:_HEADER_AT], "big")


def _chained(stored: StoredEvent, header: dict[str, Any], event: E) -> ChainedEvent[E]:
    return ChainedEvent(
        originator_id=str(stored.originator_id),
        originator_version=stored.originator_version,
        event=event,
        event_id=header["event_id"],
        provenance=Provenance(**header["provenance"]),
        recorded_at=datetime.fromisoformat(header["recorded_at"]),
        previous_hash=header["previous_hash"],
    )
