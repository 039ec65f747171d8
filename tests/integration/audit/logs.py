"""Logs with their checkpoints, on a real database, to look at and to spoil."""

import sqlite3
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import msgspec
import psycopg

from pluggably.adapters.audit.checkpoint_file import NAME, CheckpointFile
from pluggably.adapters.audit.notes import SigningNotes
from pluggably.adapters.audit.signing import SigningKey
from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.adapters.system import now
from pluggably.application.checkpoints import Checkpoints
from pluggably.application.claims import Claims
from pluggably.application.log_check import LogCheck, LogExamination

from ...contracts.session_store import a_stored_session
from ...session_builders import ALICE, answer, ask

EVENTS, CHECKPOINTS = 19, (7, 14, 16)
PLACES = [
    *(("ses_a", version) for version in range(1, 8)),
    *(("ses_b", version) for version in range(1, 8)),
    *(("ses_a", version) for version in (8, 9)),
    *(("ses_c", version) for version in range(1, 4)),
]
"""The session and the version of each event of `a_log`, in their order."""


class Log:
    """An open store, what makes its checkpoints and what checks it; `run` is what somebody does beside the gateway."""

    def __init__(self, folder: Path, database: str | None = None, *, second_place: Path | None = None) -> None:
        """On PostgreSQL if `database` is its URL, else on SQLite."""
        self.folder, self.database = folder, database
        self.store = postgres_sessions(database, folder) if database else sqlite_sessions(folder)
        self.second_place = CheckpointFile(second_place or folder / "audit")
        self.file = (second_place or folder / "audit") / NAME
        self.notes = SigningNotes(SigningKey(folder))
        kept = {"store": self.store.log, "second_place": self.second_place, "notes": self.notes}
        self.checkpoints = Checkpoints(log=self.store.log, clock=now, **kept)
        self.check = LogCheck(log=self.store.log, claims=Claims(**kept))

    async def verify(self) -> LogExamination:
        return await self.check.verify()

    def run(self, statement: str, *values) -> list[tuple]:
        if self.database is None:
            with closing(sqlite3.connect(self.folder / "sessions.sqlite")) as connection, connection:
                return connection.execute(statement, values).fetchall()
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(statement.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []

    def read(self, columns: str, session_id: str, version: int) -> tuple:
        """Columns of an event."""
        where = "WHERE originator_id = ? AND originator_version = ?"
        (row,) = self.run(f"SELECT {columns} FROM stored_events {where}", session_id, version)  # noqa: S608
        return row

    def state(self, session_id: str, version: int) -> bytes:
        return self.read("state", session_id, version)[0]

    def write(self, column: str, value, session_id: str, version: int) -> None:
        where = "WHERE originator_id = ? AND originator_version = ?"
        self.run(f"UPDATE stored_events SET {column} = ? {where}", value, session_id, version)  # noqa: S608

    def delete(self, session_id: str, after: int = 0, upto: int = 99) -> None:
        """Events of a session, and nothing else."""
        self.run(
            "DELETE FROM stored_events WHERE originator_id = ? AND originator_version > ? AND originator_version <= ?",
            session_id,
            after,
            upto,
        )

    def relist(self, session_id: str, version: int) -> None:
        """Let the list say that the session has only so many events."""
        tip = self.state(session_id, version)[:32].hex()
        self.run("UPDATE session_list SET version = ?, tip = ? WHERE id = ?", version, tip, session_id)

    def exchange(self, column: str, one: tuple[str, int], other: tuple[str, int]) -> None:
        """Let two events change places in a column that has no value twice."""
        if self.database and column == "notification_id":
            self.run("ALTER TABLE stored_events ALTER notification_id DROP IDENTITY IF EXISTS")
        (first,), (second,) = self.read(column, *one), self.read(column, *other)
        self.write(column, 1_000, *other)
        self.write(column, second, *one)
        self.write(column, first, *((other[0], 1_000) if column == "originator_version" else other))

    def rewrite(self, session_id: str, version: int, last: int) -> None:
        """Change an event, and make every hash that depends on it anew, up to the list: no key is needed for that."""
        before = self.state(session_id, version)
        becomes = self._forged(before[:-1] + bytes([before[-1] ^ 1]), session_id, version)
        self.write("state", becomes, session_id, version)
        for following in range(version + 1, last + 1):
            was = self.state(session_id, following)
            linked = was.replace(before[:32].hex().encode(), becomes[:32].hex().encode())
            assert linked != was
            before, becomes = was, self._forged(linked, session_id, following)
            self.write("state", becomes, session_id, following)
        self.relist(session_id, last)

    def _forged(self, state: bytes, session_id: str, version: int) -> bytes:
        """The state with a hash that its bytes give."""
        (topic,) = self.read("topic", session_id, version)
        place = msgspec.json.encode([session_id, version, topic])
        return sha256(place + state[32:]).digest() + state[32:]


async def a_log(log: Log) -> Log:
    """Nineteen events of three sessions, as `PLACES` has them; the last three are not covered by a checkpoint."""
    session = await a_stored_session(log.store, "ses_a", turns=3)
    await log.checkpoints.make()
    await a_stored_session(log.store, "ses_b", turns=3)
    await log.checkpoints.make()
    session = await log.store.append(session, ask(session, "Question 4"), ALICE)
    await log.store.append(session, answer(session, "Answer 4"), ALICE)
    await log.checkpoints.make()
    await a_stored_session(log.store, "ses_c", turns=1)
    return log
