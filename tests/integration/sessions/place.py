"""Where sessions are kept, in a form that can be handed to another process."""

from pathlib import Path

import psycopg
from attrs import frozen

from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.application.ports import SessionStore

# One that died may have sent a COMMIT that is still being worked on.
_END_BACKENDS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND datname = current_database() AND backend_type = 'client backend'"""
_AGE_PROCESSES = "UPDATE gateway_processes SET seen_at = seen_at - interval '1 minute'"
_AGE_THE_NEXT = "ALTER TABLE gateway_processes ALTER steady_since SET DEFAULT clock_timestamp() - interval '1 minute'"


@frozen
class Place:
    """A folder; with a URL, the sessions are in that PostgreSQL database, and only their master key in the folder."""

    folder: Path
    url: str = ""

    def open(self) -> SessionStore:
        """Open the sessions; blocks."""
        return postgres_sessions(self.url, self.folder) if self.url else sqlite_sessions(self.folder)

    def let_time_pass(self) -> None:
        """To the database, whoever used it until now has been gone for a minute, and nobody else."""
        if self.url:
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(_END_BACKENDS)
                connection.execute(_AGE_PROCESSES)
                connection.execute(_AGE_THE_NEXT)
