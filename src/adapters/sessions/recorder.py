"""What the store asks of a database: the library's recorder of events, and the tables that go with them."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from eventsourcing.persistence import StoredEvent

from ...application.ports import SessionQuery
from ...domain.idempotency import KeyUse
from .list_row import ListRow


class SessionRecorder(Protocol):
    """Blocking, for several threads. Raises the library's `PersistenceError`, which the database's builder translates.

    The first two methods are those of the library's `AggregateRecorder`.
    """

    def insert_events(
        self,
        stored_events: Sequence[StoredEvent],
        *,
        row: ListRow,
        key_use: KeyUse | None,
        labels: Sequence[bytes] | None,
    ) -> Sequence[int] | None:
        """Store events, the session's row, what its key stands for and its labels: all or nothing, durably.

        The row of an erased session takes its idempotency keys with it; labels that are None stay as they are.

        Raises:
            IntegrityError: a version of the session, or the owner's key, is taken.
        """
        ...

    def select_events(
        self, originator_id: str, *, gt: int | None = None, lte: int | None = None
    ) -> Sequence[StoredEvent]:
        """A session's events in their order."""
        ...

    def row(self, session_id: str) -> ListRow | None:
        """A session's row."""
        ...

    def rows(self, query: SessionQuery, labels: Sequence[bytes] = ()) -> Iterator[ListRow]:
        """All rows that match and have all labels, last active first, from the cursor on."""
        ...

    def key_use(self, owner: str, key: str) -> KeyUse | None:
        """What the owner's idempotency key stands for."""
        ...

    def keys_of(self, session_id: str) -> int:
        """How many idempotency keys stand for the session or its turns."""
        ...

    def erased(self) -> Sequence[str]:
        """The ids of the sessions that were erased."""
        ...

    def left_behind(self, instance: str) -> Sequence[str]:
        """The ids of the sessions with a turn that has not ended, whose process is gone; `instance` is not."""
        ...
