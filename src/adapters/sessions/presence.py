"""A process says that it lives, so that the others on its database leave its running turns alone.

The time is the database's, so that hosts whose clocks differ agree.
"""

from contextlib import suppress
from threading import Event, Thread

from eventsourcing.persistence import PersistenceError

from .postgres import SessionDatastore

BEAT_S = 5.0

_BEAT = """
INSERT INTO gateway_processes VALUES (%s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at"""
_FORGET_THE_DEAD = "DELETE FROM gateway_processes WHERE seen_at < clock_timestamp() - interval '1 day'"
_LEAVE = "DELETE FROM gateway_processes WHERE name = %s"


class Presence:
    """Owns the thread that beats. A thread and not a task: a busy event loop must not make the process look dead."""

    def __init__(self, datastore: SessionDatastore, instance: str, *, beat_s: float = BEAT_S) -> None:
        """Beats once before it returns."""
        self._datastore, self._instance, self._beat_s = datastore, instance, beat_s
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
        self._datastore.run(_BEAT, (self._instance,))

    def _keep_beating(self) -> None:
        while not self._closing.wait(self._beat_s):
            with suppress(PersistenceError):  # the database is away: whoever works with it is told, and it may be back
                self._beat()
