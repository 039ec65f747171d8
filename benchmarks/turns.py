"""How many turns a second are stored, and what that costs the event loop: `python -m benchmarks.turns`.

A turn is two appends, one before the model is asked and one after, each durable before the next; many sessions have
turns side by side, as in a busy gateway. Meanwhile a task sleeps for a millisecond again and again, and what it
oversleeps is the loop's lag: all that any other request would have to wait longer.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path

from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.application.ports import SessionStore
from pluggably.entrypoints.cli.serve import SWITCH_S
from tests.postgres_server import PostgresServer

from .sessions import converse, opened, syncs_per_second

SIDE_BY_SIDE = 64
TURNS = 2_560
ROUNDS = 3
NAP_S = 0.001


class Lag:
    """Measures the loop's lag for as long as its context lasts."""

    def __init__(self) -> None:
        self.overslept_s: list[float] = []

    @asynccontextmanager
    async def measured(self):
        task = asyncio.create_task(self._nap())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.wait({task})

    async def _nap(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(NAP_S)
            self.overslept_s.append(time.perf_counter() - begun - NAP_S)

    @property
    def p99_ms(self) -> float:
        return 1000 * statistics.quantiles(self.overslept_s, n=100)[98]


async def measure(store: SessionStore, prefix: str) -> tuple[float, float]:
    """Turns a second, and the loop's lag (p99, ms)."""
    sessions = [await opened(store, f"ses_{prefix}_{number}") for number in range(SIDE_BY_SIDE)]
    async with Lag().measured() as lag:
        begun = time.perf_counter()
        await asyncio.gather(*(converse(store, session, TURNS // SIDE_BY_SIDE) for session in sessions))
        took_s = time.perf_counter() - begun
    return TURNS / took_s, lag.p99_ms


async def medians(store: SessionStore) -> tuple[float, float]:
    sys.setswitchinterval(SWITCH_S)
    try:
        rounds = [await measure(store, str(number)) for number in range(ROUNDS)]
    finally:
        await store.close()
    return statistics.median(it[0] for it in rounds), statistics.median(it[1] for it in rounds)


def report() -> str:
    """The figures as a Markdown table."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:  # not /tmp, which may be memory
        folder = Path(name)
        disk = syncs_per_second(folder)
        sqlite = asyncio.run(medians(sqlite_sessions(folder / "sqlite")))
        with PostgresServer() as server, server.database() as url:
            postgres = asyncio.run(medians(postgres_sessions(url, folder / "postgres")))
    rows = [
        ("SQLite", sqlite, "1,000"),
        ("PostgreSQL, server on the same cores", postgres, "500"),
    ]
    return "\n".join(
        [
            f"{SIDE_BY_SIDE} sessions side by side, medians of {ROUNDS} rounds; the disk syncs {disk:,.0f} times/s.",
            "",
            "| store | turns/s | goal | event loop's lag, p99 | goal |",
            "|---|---|---|---|---|",
            *(f"| {store} | {turns:,.0f} | {goal} | {lag:.1f} ms | < 10 ms |" for store, (turns, lag), goal in rows),
        ]
    )


if __name__ == "__main__":
    print(report())
