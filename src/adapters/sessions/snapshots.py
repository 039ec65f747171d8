"""Snapshots: a session as it was at a version, so that a long one is opened without folding all its events.

What is sealed, in format 1, is lines of canonical JSON: first the head, which has every field of the session but its
turns, and how many of those there are in this snapshot and in the ones before; then the turns that ended since the one
before, a line each. Turns that ended never change, so that each is in one snapshot only.

Snapshots are sealed with the session's key, and bound to the session, the version and the hash of the event there: one
that does not belong to the stored chain does not open. Nothing rests on them: where one cannot be read, or has a format
that is not known here, the events are folded instead, and the next append takes another. So whatever changes what the
lines say, or what a fold makes of the same events, needs a new format number and no migration.
"""

from collections.abc import Iterable

from attrs import evolve, frozen
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ...domain.session import Session, SessionStatus, Turns
from ..sealing import seal, unseal
from .canonical_json import CanonicalJson
from .stored_turns import StoredTurns, to_lines
from .topics import CONVERTER

EVERY = 100
"""After how many events, or turns that a fork brings, there is a snapshot.

An event costs some 35 µs to fold, and 1 µs where it is in a snapshot. At the most 100 are so folded when a session is
opened, which is 4 ms of the 20 that a session of 10,000 events may take. Fewer snapshots would save no space.
"""

_FORMAT = 1
_LARGEST_BYTES = 2**28
"""Databases refuse what is over 1 GB; an append must not fail for the sake of a snapshot."""

_JSON = CanonicalJson()
_to_head = make_dict_unstructure_fn(Session, CONVERTER, turns=override(omit=True))
_from_head = make_dict_structure_fn(Session, CONVERTER, turns=override(omit=True), _cattrs_forbid_extra_keys=True)


@frozen(kw_only=True)
class SealedSnapshot:
    """One row, as the database holds it."""

    session_id: str
    version: int
    format: int
    sealed: bytes


def is_due(session: Session, every: int) -> bool:
    """Whether there is enough that is in no snapshot yet; an erased session and one with a turn that runs have none."""
    if session.status is SessionStatus.ERASED or session.active_turn is not None:
        return False
    stored = _stored(session)
    return max(session.version - stored.version, len(session.turns) - len(stored)) >= every


def take(session: Session, *, tip: str, key: bytes) -> tuple[SealedSnapshot | None, Session]:
    """A snapshot of a session in which no turn runs, and the same session resting on it.

    `tip` is the hash of its last event. There is no snapshot of what is too large for one.
    """
    stored = _stored(session)
    ended = session.turns[len(stored) :]
    head = {"turns_before": len(stored), "turns": len(ended), "session": _to_head(session)}
    content = _JSON.encode(head) + b"\n" + to_lines(ended)
    if len(content) > _LARGEST_BYTES:
        return None, session
    sealed = seal(AESGCM(key), content, _bound_to(session.id, session.version, tip))
    return (
        SealedSnapshot(session_id=session.id, version=session.version, format=_FORMAT, sealed=sealed),
        evolve(session, turns=Turns(stored.followed_by(ended, session.version))),
    )


def restored(session_id: str, found: Iterable[tuple[SealedSnapshot, str]], key: bytes) -> Session:
    """The session as the newest of its snapshots has it that can be read; a new one, if none can.

    `found` are the snapshots in their order, each with the hash of the event at its version.
    """
    cipher, stored, newest = AESGCM(key), StoredTurns(), None
    for snapshot, tip in found:
        content = _content(snapshot, tip, cipher)
        if content is None:
            continue
        first, _, lines = content.partition(b"\n")
        head = _JSON.decode(first)
        if head["turns_before"] > len(stored):  # the one before it cannot be read
            continue
        if head["turns_before"] < len(stored):  # who took it could not read all of those before
            stored = StoredTurns().followed_by(stored[: head["turns_before"]], 0)
        stored = stored.followed_by_lines(lines, head["turns"], snapshot.version)
        newest = head["session"]
    return evolve(_from_head(newest, Session), turns=Turns(stored)) if newest else Session(id=session_id)


def _content(snapshot: SealedSnapshot, tip: str, cipher: AESGCM) -> bytes | None:
    if snapshot.format != _FORMAT:
        return None
    try:
        return unseal(cipher, snapshot.sealed, _bound_to(snapshot.session_id, snapshot.version, tip))
    except InvalidTag:
        return None


def _bound_to(session_id: str, version: int, tip: str) -> bytes:
    return _JSON.encode([session_id, version, tip, _FORMAT])


def _stored(session: Session) -> StoredTurns:
    """The turns of the session that are in snapshots, if it rests on any."""
    earlier = session.turns.earlier
    return earlier if isinstance(earlier, StoredTurns) else StoredTurns()
