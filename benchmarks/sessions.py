"""How quickly sessions are stored and read: `python -m benchmarks.sessions` prints a table.

Every append is on the disk before it is counted, so the figures are the disk's as much as ours. The disk's own is in
the first row: the same bytes written and synced, nothing else.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from pluggably.adapters.memory.sessions import MemorySessionStore
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.application.ports import Provenance, SessionQuery, SessionStore
from pluggably.domain import session as rules
from pluggably.domain.generation import Completed, FinishReason, Role, TextPart, Usage, text_message
from pluggably.domain.model import Modality
from pluggably.domain.session import Session, SessionOpened

BENCH = Provenance(actor="bench", method="loopback", request_id="req_bench")
NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
WORDS = "word " * 50
TURNS = 500
SIDE_BY_SIDE = 16


async def opened(store: SessionStore, session_id: str) -> Session:
    return await store.append(Session(id=session_id), (SessionOpened(owner="bench", title="Bench", at=NOON),), BENCH)


async def converse(store: SessionStore, session: Session, turns: int) -> Session:
    """Each turn is two appends, as the gateway does them: one before the model is called and one after."""
    for number in range(turns):
        requested = rules.request_turn(
            session,
            generation_id=f"gen_{number}",
            modality=Modality.TEXT,
            model="tiny",
            messages=(text_message(Role.USER, WORDS),),
            parameters={"max_tokens": 64},
            metadata={},
            at=NOON,
        )
        session = await store.append(session, requested, BENCH)
        result = Completed(
            output=(TextPart(WORDS),), finish_reason=FinishReason.STOP, usage=Usage(input_tokens=60, output_tokens=50)
        )
        completed = rules.complete_turn(
            session, result, provider="local", model="tiny", model_version=None, attempts=(), at=NOON
        )
        session = await store.append(session, completed, BENCH)
    return session


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


async def figures_of(store: SessionStore) -> dict[str, str]:
    alone = await opened(store, "ses_alone")
    in_turn = await seconds(lambda: converse(store, alone, TURNS))
    several = [await opened(store, f"ses_{number}") for number in range(SIDE_BY_SIDE)]
    each = TURNS // SIDE_BY_SIDE
    together = await seconds(lambda: asyncio.gather(*(converse(store, session, each) for session in several)))
    opening = await seconds(lambda: asyncio.gather(*(opened(store, f"ses_new_{number}") for number in range(100))))
    version = 2 * TURNS
    return {
        "appends/s, one session": f"{2 * TURNS / in_turn:,.0f}",
        f"appends/s, {SIDE_BY_SIDE} sessions side by side": f"{2 * each * SIDE_BY_SIDE / together:,.0f}",
        "sessions opened/s": f"{100 / opening:,.0f}",
        "load and fold 1,000 events": await best(lambda: store.load("ses_alone", at_version=version)),
        "history of 1,000 events": await best(lambda: store.history("ses_alone", limit=version)),
        "verify 1,001 events": await best(lambda: store.verify("ses_alone")),
        "list 20 sessions": await best(lambda: store.find(SessionQuery(owner="bench"))),
    }


async def best(work: Callable[[], Awaitable[object]], times: int = 5) -> str:
    return f"{1000 * min([await seconds(work) for _ in range(times)]):.1f} ms"


def syncs_per_second(folder: Path) -> float:
    """How often this disk can write 1 kB durably."""
    with (folder / "probe").open("wb") as file:
        started = time.perf_counter()
        for _ in range(200):
            file.write(bytes(1000))
            file.flush()
            os.fdatasync(file.fileno())
        return 200 / (time.perf_counter() - started)


async def measured(folder: Path) -> tuple[dict[str, str], dict[str, str]]:
    stores = (sqlite_sessions(folder / "sessions"), MemorySessionStore())
    try:
        sqlite, memory = [await figures_of(store) for store in stores]
    finally:
        for store in stores:
            await store.close()
    return sqlite, memory


def report() -> str:
    """The figures as a Markdown table."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # not /tmp, which may be memory
        disk = syncs_per_second(Path(folder))
        sqlite, memory = asyncio.run(measured(Path(folder)))
    rows = [f"| {name} | {sqlite[name]} | {memory[name]} |" for name in sqlite]
    head = ["| sessions | SQLite | in memory |", "|---|---|---|", f"| 1 kB writes the disk syncs/s | {disk:,.0f} | |"]
    return "\n".join([*head, *rows])


if __name__ == "__main__":
    print(report())
