"""What the store asks of a database: the library's recorder of events, and the tables that go with them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen
from eventsourcing.persistence import StoredEvent

from ...application.audit import ArchiveQuery
from ...application.ports import SessionQuery
from ...domain.idempotency import KeyUse
from ...domain.retention import RetainedSession, RetentionPolicy
from .list_row import ListRow
from .snapshots import SealedSnapshot
from .states import SealedState

BY_ID = 1_000
"""How many rows are read at a time by their ids."""


@frozen(kw_only=True)
class Entry:
    """What one append writes: the events of one session, and what goes with them.

    `row` is the session's new place in the list; that of an erased session takes its idempotency keys, its states and
    its snapshots with it. A stream that is no session's has none. Labels that are None stay as they are.
    """

    events: Sequence[StoredEvent]
    row: ListRow | None
    key_use: KeyUse | None = None
    labels: Sequence[bytes] | None = None
    state: SealedState | None = None
    snapshot: SealedSnapshot | None = None


class SessionRecorder(Protocol):
    """Blocking, for several threads. Raises the library's `PersistenceError`, which the database's builder translates.

    `select_events` is that of the library's `AggregateRecorder`.
    """

    def insert(self, entries: Sequence[Entry]) -> None:
        """Store everything of all entries, each of another session, or nothing, durably.

        Raises:
            IntegrityError: a version of a session, or an owner's key, is taken.
        """
        ...

    def select_events(
        self,
        originator_id: str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """A stream's events in their order, or with `desc` the last one first."""
        ...

    def rows_of(self, session_ids: Collection[str]) -> Mapping[str, ListRow]:
        """The rows of these sessions; those that there are."""
        ...

    def rows(self, query: SessionQuery, labels: Sequence[bytes] = ()) -> Iterator[ListRow]:
        """All rows that match and have all labels, last active first, from the cursor on."""
        ...

    def rows_by_id(self, wanted: ArchiveQuery) -> Iterator[ListRow]:
        """All rows that match, of erased sessions too, in the order of their ids."""
        ...

    def key_use(self, owner: str, key: str) -> KeyUse | None:
        """What the owner's idempotency key stands for."""
        ...

    def keys_of(self, session_id: str) -> int:
        """How many idempotency keys stand for the session or its turns."""
        ...

    def state(self, digest: str) -> SealedState | None:
        """What the state token with that digest stands for."""
        ...

    def states_of(self, session_id: str) -> Sequence[SealedState]:
        """What the session's state tokens stand for, those of the first turn first."""
        ...

    def overdue(
        self, policy: RetentionPolicy, at: datetime, *, limit: int, after: str = ""
    ) -> Sequence[RetainedSession]:
        """The sessions of which something is due, in the order of their ids, those following `after`."""
        ...

    def forget_states(self, session_id: str, expired_by: int) -> int:
        """Delete what the session's state tokens stand for that expired by then, unless it is held; says how many."""
        ...

    def snapshots(self, session_id: str, upto: int) -> Sequence[tuple[SealedSnapshot, str]]:
        """The session's snapshots up to a version in their order, each with the hash of the event at its version."""
        ...

    def snapshots_of(self, session_id: str) -> int:
        """How many snapshots there are of the session."""
        ...

    def erased(self) -> Sequence[str]:
        """The ids of the sessions that were erased."""
        ...

    def left_behind(self, instance: str) -> Sequence[str]:
        """The ids of the sessions with a turn that has not ended, whose process is gone; `instance` is not."""
        ...
