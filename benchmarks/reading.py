"""How quickly long sessions and long lists are read: `python -m benchmarks.reading` prints a table.

Medians of `ROUNDS`, each on a store that was opened anew and has read nothing; the files may be in the system's cache.
Filling the files takes a minute before that.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.application.ports import SessionCursor, SessionQuery, SessionStore
from pluggably.domain.model import Modality
from pluggably.domain.session import Session, SessionOpened, SessionStatus, close, reset

from .sessions import BENCH, NOON, converse, opened

ROUNDS = 9
EVENTS = 10_000
SESSIONS = 100_000
AT_ONCE = 1_000
SELDOM = 1_000
"""One of so many sessions is closed."""

QUERIES = {
    "the first page": {},
    "a late page": {"after": SessionCursor(last_activity_at=NOON + timedelta(seconds=SESSIONS // 100), id="ses_")},
    "closed ones, which are few": {"status": SessionStatus.CLOSED},
    "of a modality that none has": {"modality": Modality.IMAGE},
    "by metadata that all have": {"metadata": {"app": "bench"}},
    "by metadata that one has": {"metadata": {"number": "4711"}},
}


async def fill_session(store: SessionStore) -> None:
    session = await converse(store, await opened(store, "ses_long"), EVENTS // 2 - 1)
    await store.append(session, reset(session, at=NOON), BENCH)


async def fill_list(store: SessionStore) -> None:
    async def put(number: int) -> None:
        metadata = {"app": "bench", "number": str(number)}
        at = NOON + timedelta(seconds=number * 7919 % SESSIONS)  # in no order
        beginning = SessionOpened(owner="bench", title=f"Session {number}", metadata=metadata, at=at)
        session = await store.append(Session(id=f"ses_{number}"), (beginning,), BENCH)
        if number % SELDOM == 0:
            await store.append(session, close(session, at=at), BENCH)

    for first in range(0, SESSIONS, AT_ONCE):
        await asyncio.gather(*map(put, range(first, first + AT_ONCE)))


async def filled(folder: Path, fill: Callable[[SessionStore], Awaitable[None]]) -> Path:
    store = sqlite_sessions(folder)
    await fill(store)
    await store.close()
    return folder


async def median_s(folder: Path, read: Callable[[SessionStore], Awaitable[object]]) -> float:
    taken_s = []
    for _ in range(ROUNDS):
        store = sqlite_sessions(folder)
        begun = time.perf_counter()
        await read(store)
        taken_s.append(time.perf_counter() - begun)
        await store.close()
    return statistics.median(taken_s)


async def session_rows(folder: Path) -> list[str]:
    await filled(folder, fill_session)
    loaded_s = await median_s(folder, lambda store: store.load("ses_long"))
    verified_s = await median_s(folder, lambda store: store.verify("ses_long"))
    return [
        f"| open a session of {EVENTS:,} events | {1000 * loaded_s:.1f} ms | < 20 ms |",
        f"| verify it | {EVENTS / verified_s:,.0f} events/s | 100,000 events/s |",
    ]


async def list_rows(folder: Path) -> list[str]:
    await filled(folder, fill_list)
    rows = []
    for name, conditions in QUERIES.items():
        query = SessionQuery(owner="bench", **conditions)
        found_s = await median_s(folder, lambda store, query=query: store.find(query))
        rows.append(f"| list 20 of {SESSIONS:,} sessions: {name} | {1000 * found_s:.1f} ms | < 20 ms |")
    return rows


async def measured(folder: Path) -> list[str]:
    return [*await session_rows(folder / "one"), *await list_rows(folder / "many")]


def report() -> str:
    """The figures as a Markdown table."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # not /tmp, which may be memory
        rows = asyncio.run(measured(Path(folder)))
    return "\n".join(["| reading, on SQLite | measured | goal |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(report())
