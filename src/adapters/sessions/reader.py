"""What is read of stored sessions: folded, recorded, checked, listed. Blocking, for several threads."""

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import islice

from eventsourcing.persistence import StoredEvent

from ...application.audit import ArchiveQuery, EventRecord, StreamHead
from ...application.ports import RecordedEvent, SessionPage, SessionQuery, SessionSummary, Verification
from ...domain import errors
from ...domain.errors import GatewayError, NotFound
from ...domain.session import HeldState, Session, SessionStatus, apply
from .keyring import Keyring
from .list_row import ListRow, to_summary
from .mapper import SessionMapper, hash_of, is_intact, record, recorded
from .recorder import SessionRecorder
from .snapshots import restored
from .states import to_held
from .writer import was_erased


class SessionReader:
    """Reads the sessions of a database that is open."""

    def __init__(self, recorder: SessionRecorder, keyring: Keyring) -> None:
        """`recorder` has the events and the list, `keyring` the sessions' keys."""
        self._recorder, self._keyring = recorder, keyring

    def load(self, session_id: str, at_version: int | None) -> Session:
        """Fold the stream, whole or up to a version, from the newest snapshot on."""
        row = self.row(session_id)
        key = self._key(row)
        version = row.version if at_version is None else at_version
        if not 1 <= version <= row.version:
            raise NotFound(detail=f"Session {session_id} has no version {version}: it is at {row.version}.")
        session = restored(session_id, self._recorder.snapshots(session_id, version), key)
        events = map(SessionMapper(key).to_event, self._stored(session_id, session.version, version))
        return reduce(apply, events, session)

    def history(self, session_id: str, after: int, limit: int | None) -> tuple[RecordedEvent, ...]:
        """The stream as it was recorded."""
        row = self.row(session_id)
        mapper, last = SessionMapper(self._key(row)), row.version
        first = max(after, 0)
        stored_events = self._stored(session_id, first, last if limit is None else min(last, first + limit))
        return tuple(recorded(mapper.to_domain_event(stored), stored) for stored in stored_events)

    def head(self, session_id: str) -> StreamHead:
        """The stream as it is now."""
        return _head(self.row(session_id), readable=self._keyring.get(session_id) is not None)

    def heads(self, wanted: ArchiveQuery) -> tuple[StreamHead, ...]:
        """The streams of all sessions that match, by their ids."""
        destroyed = self._keyring.destroyed()
        return tuple(_head(row, readable=row.id not in destroyed) for row in self._recorder.rows_by_id(wanted))

    def records(self, stream: StreamHead, after: int, limit: int) -> tuple[EventRecord, ...]:
        """Events as they are stored, for an export; those of an erased session without content."""
        key = None if stream.erased else self._keyring.get(stream.id)
        if key is None and not stream.erased:
            raise errors.SessionErased(
                detail=f"Session {stream.id} was erased while it was exported: export again.", owner=stream.owner
            )
        mapper = SessionMapper(key) if key else None
        stored_events = self._stored(stream.id, after, min(stream.events, after + limit))
        return tuple(record(it, mapper) for it in stored_events)

    def verify(self, session_id: str) -> Verification:
        """Compute the chain anew; works without the session's key."""
        row, stored_events = self._listed(session_id), self._recorder.select_events(session_id)
        known = row.version if row else 0
        if len(stored_events) > known and (later := self._listed(session_id)) and later.version > known:
            # Somebody appended between the two readings: what came then is for the next check.
            stored_events = [stored for stored in stored_events if stored.originator_version <= known]
        if row is None and not stored_events:
            raise NotFound.of("session", session_id)
        broken_at = _first_broken(stored_events, row)
        head = hash_of(stored_events[-1]) if stored_events else ""
        return Verification(
            valid=broken_at is None,
            events=len(stored_events),
            head=head,
            broken_at=broken_at,
            erased=row is not None and row.status == SessionStatus.ERASED,
        )

    def find(self, query: SessionQuery) -> SessionPage:
        """The sessions that match, last active first, those of the same moment by their ids."""
        labels = [self._keyring.label(query.owner, *it) for it in query.metadata.items()]
        found = tuple(islice(self._summaries(self._recorder.rows(query, labels), query.limit + 1), query.limit + 1))
        return SessionPage(sessions=found[: query.limit], has_more=len(found) > query.limit)

    def state(self, digest: str) -> HeldState | None:
        """What the state token with that digest stands for; None if there is none, or its session was erased."""
        sealed = self._recorder.state(digest)
        key = self._keyring.get(sealed.session_id) if sealed else None
        return to_held(sealed, key) if sealed and key else None

    def states(self, session_id: str) -> tuple[HeldState, ...]:
        """What the session's state tokens stand for."""
        key = self._key(self.row(session_id))
        return tuple(to_held(it, key) for it in self._recorder.states_of(session_id))

    def left_behind(self, instance: str) -> tuple[str, ...]:
        """The ids of the sessions whose last turn has not ended, and never will: its process is gone."""
        return tuple(it for it in self._recorder.left_behind(instance) if self._keyring.get(it))

    def row(self, session_id: str) -> ListRow:
        """The session's place in the list; raises NotFound."""
        row = self._listed(session_id)
        if row is None:
            raise NotFound.of("session", session_id)
        return row

    def _listed(self, session_id: str) -> ListRow | None:
        return self._recorder.rows_of([session_id]).get(session_id)

    def _key(self, row: ListRow) -> bytes:
        key = self._keyring.get(row.id)
        if key is None or row.status == SessionStatus.ERASED:
            raise was_erased(row)
        return key

    def _stored(self, session_id: str, after: int, upto: int) -> Sequence[StoredEvent]:
        """The events of these versions, every one: a stream that lost some is not answered as if it were whole."""
        stored_events = self._recorder.select_events(session_id, gt=after, lte=upto)
        if missing := set(range(after + 1, upto + 1)) - {stored.originator_version for stored in stored_events}:
            raise GatewayError(detail=f"Event {min(missing)} of session {session_id} is missing: verify the session.")
        return stored_events

    def _summaries(self, rows: Iterator[ListRow], together: int) -> Iterator[SessionSummary]:
        """Those that can be read; their keys are looked up so many together."""
        while batch := tuple(islice(rows, together)):
            keys = self._keyring.several([row.id for row in batch])
            yield from (to_summary(row, key=keys[row.id]) for row in batch if row.id in keys)


def _head(row: ListRow, *, readable: bool) -> StreamHead:
    erased = not readable or row.status == SessionStatus.ERASED
    return StreamHead(id=row.id, owner=row.owner, events=row.version, head=row.tip, erased=erased)


def _first_broken(stored_events: Sequence[StoredEvent], row: ListRow | None) -> int | None:
    """The first version that is not what it was, by its own hash, by its place, and by what the list knows."""
    version, tip = (row.version, row.tip) if row else (0, "")
    head = ""
    for expected, stored in enumerate(stored_events, 1):
        if stored.originator_version != expected or expected > version or not is_intact(stored, head):
            return expected
        head = hash_of(stored)
    if len(stored_events) < version:
        return len(stored_events) + 1
    return None if head == tip else version
