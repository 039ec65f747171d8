"""How quickly the log of all events is signed and verified: `python -m benchmarks.audit` prints a table.

Real events of real conversations, read from the file system's cache. A check computes every hash and every chain anew
and compares the roots of both places' checkpoints; the first checkpoint of a log hashes all of it into one root. How
late the event loop is while the check runs shows how long others wait for it: it runs on threads of the same process.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from benchmarks.sessions import converse, opened
from pluggably.adapters.audit.checkpoint_file import CheckpointFile
from pluggably.adapters.audit.notes import SigningNotes
from pluggably.adapters.audit.signing import SigningKey
from pluggably.adapters.memory.log import NoLog
from pluggably.adapters.sessions.log import SessionLog
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.adapters.system import now
from pluggably.application.checkpoints import Checkpoints
from pluggably.application.claims import Claims
from pluggably.application.log_check import LogCheck

SESSIONS, TURNS, TIMES = 64, 150, 7
EVERY_TURNS = 10
"""After so many turns of every session a checkpoint is made."""


async def figures(folder: Path) -> dict[str, str]:
    store = sqlite_sessions(folder / "sessions")
    notes = SigningNotes(SigningKey(folder / "sessions"))

    file = CheckpointFile(folder / "audit")
    checkpoints = Checkpoints(log=store.log, store=store.log, second_place=file, notes=notes, clock=now)
    check = LogCheck(log=store.log, claims=Claims(store=store.log, second_place=file, notes=notes))
    try:
        sessions = [await opened(store, f"ses_{number}") for number in range(SESSIONS)]
        regular = list[float]()
        for _ in range(0, TURNS, EVERY_TURNS):
            sessions = await asyncio.gather(*(converse(store, session, EVERY_TURNS) for session in sessions))
            regular.append(await seconds(checkpoints.make))
        events = (await check.verify()).events
        verified = min([await seconds(check.verify) for _ in range(TIMES)])
        signed = min([await first_checkpoint(store.log, notes, folder / str(it)) for it in range(TIMES)])
        late = await latest_while(check.verify)
    finally:
        await store.close()
    new = 2 * SESSIONS * EVERY_TURNS
    return {
        f"verify the log, events/s ({events:,} events, {len(regular)} checkpoints)": f"{events / verified:,.0f}",
        "sign a log for the first time, events/s": f"{events / signed:,.0f}",
        f"a checkpoint of {new:,} new events, written and synced in both places": f"{1000 * median(regular):.1f} ms",
        "the event loop at its latest while the log is verified": f"{1000 * late:.1f} ms",
    }


async def first_checkpoint(log: SessionLog, notes: SigningNotes, second_place: Path) -> float:
    """How many seconds a checkpoint takes of a log that has none yet, as after an upgrade."""
    new = Checkpoints(log=log, store=NoLog(), second_place=CheckpointFile(second_place), notes=notes, clock=now)
    return await seconds(new.make)


async def latest_while(work: Callable[[], Awaitable[object]]) -> float:
    """How many seconds later than asked for the loop woke up, at the worst, while the work ran."""
    running, late = asyncio.ensure_future(work()), 0.0
    while not running.done():
        asleep = time.perf_counter()
        await asyncio.sleep(0.001)
        late = max(late, time.perf_counter() - asleep - 0.001)
    await running
    return late


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


def report() -> str:
    """The figures as a Markdown table."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:  # not /tmp, which may be memory
        rows = asyncio.run(figures(Path(folder)))
    lines = [f"| {name} | {figure} |" for name, figure in rows.items()]
    return "\n".join(["| the log of all events | SQLite |", "|---|---|", *lines])


if __name__ == "__main__":
    print(report())
