"""A process says that it lives, so that the others on its database leave its running turns alone.

The time is the database's, so that hosts whose clocks differ agree. A database that was away has heard of nobody for a
while: a process may take another one for dead only once it has been steady itself for as long as that takes.
"""

from contextlib import suppress
from threading import Event, Thread

from eventsourcing.persistence import PersistenceError

from .postgres import DEAD_AFTER_S, SessionDatastore

BEAT_S = DEAD_AFTER_S / 3

_BEAT = """
INSERT INTO gateway_processes AS it (name, seen_at) VALUES (%s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at, steady_since =
    CASE WHEN it.seen_at < excluded.seen_at - make_interval(secs => %s) THEN excluded.seen_at ELSE it.steady_since END
"""
_FORGET_THE_DEAD = "DELETE FROM gateway_processes WHERE seen_at < clock_timestamp() - interval '1 day'"
_LEAVE = "DELETE FROM gateway_processes WHERE name = %s"


class Presence:
    """Owns the thread that beats. A thread and not a task: a busy event loop must not make the process look dead."""

    def __init__(self, datastore: SessionDatastore, instance: str) -> None:
        """Beats once before it returns."""
        self._datastore, self._instance = datastore, instance
        datastore.run(_FORGET_THE_DEAD)
        self._beat()
        self._closing = Event()
        self._thread = Thread(target=self._keep_beating, name="sessions-presence", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Say that the process is gone."""
        self._closing.set()
        self._thread.join()
        with suppress(PersistenceError):  # the database is away: it will notice by the beats that do not come
            self._datastore.run(_LEAVE, (self._instance,))

    def _beat(self) -> None:
        self._datastore.run(_BEAT, (self._instance, 2 * BEAT_S))

    def _keep_beating(self) -> None:
        while not self._closing.wait(BEAT_S):
            with suppress(PersistenceError):  # the database is away: whoever works with it is told, and it may be back
                self._beat()
