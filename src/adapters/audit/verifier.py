"""The check of an export, by itself: no service, no database, no key but the public one. Implements `ExportFile`.

It reads one line after the other and stops at the first that is wrong. What it cannot tell: whether the session went on
after the export was made, or whether an older export was handed over; compare `exported_at` and the head for that.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import islice
from typing import TypeVar

import msgspec
from attrs import define, evolve, field

from ...application.audit import EventRecord, Examination, ExportedStream, Fault, PublicKey
from .exporters import origin
from .lines import (
    FORMAT,
    Envelope,
    Manifest,
    Seal,
    SessionLine,
    computed_hash,
    from_base64,
    signed_message,
    to_base64,
    to_envelope,
    to_record,
    write,
)
from .signing import is_signed, key_id

L = TypeVar("L", bound=msgspec.Struct)

_WITHOUT_SALT = 1
_NAMES: dict[type[msgspec.Struct], str] = {Manifest: "a manifest", Envelope: "an event", Seal: "the seal"}


def examine(lines: Iterable[bytes], *, trusted: bytes | None = None) -> Examination:
    """Check an export, which is given line by line, each with its end."""
    check = _Check(iter(lines))
    try:
        check.whole(trusted)
    except _Wrong as wrong:
        return evolve(check.found, fault=wrong.fault)
    return check.found


def streams(lines: Iterable[bytes]) -> Iterator[ExportedStream]:
    """The streams of an export that was found whole, one after the other."""
    rest = iter(lines)
    manifest = msgspec.json.decode(next(rest), type=Manifest)
    for it in manifest.sessions:
        envelopes = (msgspec.json.decode(line, type=Envelope) for line in islice(rest, it.events))
        yield ExportedStream(id=it.id, erased=it.erased, events=tuple(map(to_record, envelopes)))


class _Wrong(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.what)
        self.fault = fault


@define
class _Check:
    lines: Iterator[bytes]
    found: Examination = field(factory=Examination)
    number: int = 0
    session_id: str | None = None
    version: int | None = None

    def whole(self, trusted: bytes | None) -> None:
        """Check everything, in the order of the lines."""
        digest = sha256()
        line = self.next_line("the manifest")
        digest.update(line)
        manifest, public = self.manifest(line, trusted)
        for session in manifest.sessions:
            self.session(session, digest.update)
        self.seal(digest.hexdigest(), public)
        for _ in self.lines:
            self.number += 1
            raise self.wrong("stands after the end")

    def manifest(self, line: bytes, trusted: bytes | None) -> tuple[Manifest, bytes]:
        manifest = self.decoded(line, Manifest)
        try:
            public = from_base64(manifest.key.public)
        except ValueError:
            public = b""
        key = PublicKey(id=key_id(public), raw=public)
        self.expect(manifest.format == FORMAT, f"is of a format other than {FORMAT}")
        named_rightly = (manifest.key.id, manifest.origin) == (key.id, origin(key))
        self.expect(
            named_rightly and manifest.key.algorithm == "Ed25519", "names a key and an id that do not belong together"
        )
        self.expect(trusted in (None, public), "names another key than the one that is trusted")
        counts = sum(it.events for it in manifest.sessions)
        self.expect(counts == manifest.events, "counts other events than those of its sessions")
        self.expect(len({it.id for it in manifest.sessions}) == len(manifest.sessions), "names a session twice")
        self.found = evolve(self.found, key_id=key.id)
        return manifest, public

    def session(self, session: SessionLine, digested: Callable[[bytes], None]) -> None:
        head, self.session_id = "", session.id
        for version in range(1, session.events + 1):
            self.version = version
            line = self.next_line("the event")
            digested(line)
            head = self.event(line, session, head)
        self.expect(head == session.head, "is not the last event that the manifest names")
        self.found = evolve(self.found, sessions=self.found.sessions + 1)
        self.session_id = self.version = None

    def event(self, line: bytes, session: SessionLine, previous_hash: str) -> str:
        """Check an event, and return its hash."""
        envelope = self.decoded(line, Envelope)
        try:
            record = to_record(envelope)
            rebuilt, computed = write(to_envelope(record)), computed_hash(record)
        except (ValueError, KeyError, TypeError, OverflowError) as exc:
            raise self.wrong("has bytes that are not those of an event") from exc
        self.expect(record.session_id == session.id, f"belongs to another session, {record.session_id}")
        self.expect(record.version == self.version, f"is of version {record.version}")
        self.expect(computed == record.hash, "does not have the hash that its bytes give")
        self.expect(envelope.previous_hash == previous_hash, "does not follow the event before it")
        self.expect(rebuilt == line, "says something else than its header")
        self.content(record, erased=session.erased)
        return record.hash

    def content(self, record: EventRecord, *, erased: bool) -> None:
        self.expect((record.values is None) == erased, "shows or lacks content, against what the manifest says")
        self.expect(record.salt is None or record.values is not None, "has a salt, but no content")
        uncommitted = record.format == _WITHOUT_SALT and not erased
        if not erased and not uncommitted:
            commitment = msgspec.json.decode(record.header).get("content_digest")
            computed = sha256((record.salt or b"") + (record.values or b"")).hexdigest()
            self.expect(record.salt is not None and commitment == computed, "has content that is not what was recorded")
        self.found = evolve(
            self.found,
            events=self.found.events + 1,
            erased=self.found.erased + erased,
            uncommitted=self.found.uncommitted + uncommitted,
        )

    def seal(self, digest: str, public: bytes) -> None:
        seal = self.decoded(self.next_line("the seal"), Seal)
        self.expect(seal.events == self.found.events, "counts other events than there are")
        self.expect(seal.sha256 == digest, "seals other lines than those before it")
        try:
            signature = from_base64(seal.signature)
        except ValueError:
            signature = b""
        canonical = to_base64(signature) == seal.signature
        self.expect(canonical and is_signed(signed_message(digest), signature, public), "is not signed by the key")

    def next_line(self, what: str) -> bytes:
        self.number += 1
        line = next(self.lines, b"")
        self.expect(bool(line), f"is missing: the export ends before {what}")
        self.expect(line.endswith(b"\n"), "is cut off")
        return line

    def decoded(self, line: bytes, kind: type[L]) -> L:
        try:
            decoded = msgspec.json.decode(line, type=kind)
        except ValueError as exc:
            raise self.wrong(f"is not {_NAMES[kind]}") from exc
        self.expect(kind is Envelope or write(decoded) == line, "is not written in the one canonical way")
        return decoded

    def expect(self, right: bool, otherwise: str) -> None:
        if not right:
            raise self.wrong(otherwise)

    def wrong(self, what: str) -> _Wrong:
        return _Wrong(Fault(line=self.number, what=what, session_id=self.session_id, version=self.version))
