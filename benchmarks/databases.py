"""What a database more brings when one has become the narrowest place: `python -m benchmarks.databases`.

The appends of one database go through one lane: a transaction holds it from its first statement to its commit, so that
the log of all events has an order. Each gateway sends what waits as one transaction, so that what a transaction costs
matters less the more there is to do; what an event costs in the lane is what counts. Here several gateways' stores
append side by side, first all of them to one server; then sessions are hashed over two servers, and each gateway has
a store for each. A trigger has every event hold the lane for some milliseconds more, as on a database that has come to
its limits: otherwise the cores of this machine would be the narrowest place, and those are the same for both.
"""

import asyncio
import hashlib
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.application.ports import SessionStore
from tests.postgres_server import PostgresServer

from .sessions import converse, opened

GATEWAYS = 8
SESSIONS = 4
TURNS = 6
ROUNDS = 3
HELD_MS = 5

HOLD = f"""
CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN PERFORM pg_sleep({HELD_MS / 1000}); RETURN NEW; END$$;
CREATE TRIGGER held BEFORE INSERT ON stored_events FOR EACH ROW EXECUTE FUNCTION hold();
"""


def place_of(session_id: str, databases: int) -> int:
    """Which of the databases a session is in, by its id alone."""
    return int.from_bytes(hashlib.sha256(session_id.encode()).digest()[:8], "big") % databases


async def turns_per_second(gateways: Sequence[Sequence[SessionStore]], prefix: str) -> float:
    """Turns of all gateways together; each has a store for every database."""

    async def work(number: int, stores: Sequence[SessionStore]) -> None:
        ids = [f"ses_{prefix}_{number}_{session}" for session in range(SESSIONS)]
        places = [stores[place_of(it, len(stores))] for it in ids]
        sessions = [await opened(store, it) for store, it in zip(places, ids, strict=True)]
        await asyncio.gather(*(converse(store, it, TURNS) for store, it in zip(places, sessions, strict=True)))

    begun = time.perf_counter()
    await asyncio.gather(*(work(number, stores) for number, stores in enumerate(gateways)))
    return GATEWAYS * SESSIONS * TURNS / (time.perf_counter() - begun)


def measure(databases: int) -> float:
    """The median of some rounds, with so many servers."""
    with ExitStack() as held:
        folder = held.enter_context(tempfile.TemporaryDirectory(dir=Path.cwd()))
        urls = []
        for _ in range(databases):
            server = held.enter_context(PostgresServer())
            urls.append(held.enter_context(server.database()))
            server.run(HOLD, conninfo_to_dict(urls[-1])["dbname"])
        gateways = [
            [postgres_sessions(url, Path(folder, "key"), master_key="ab" * 32) for url in urls] for _ in range(GATEWAYS)
        ]
        return asyncio.run(_rounds(gateways))


async def _rounds(gateways: Sequence[Sequence[SessionStore]]) -> float:
    try:
        return statistics.median([await turns_per_second(gateways, str(number)) for number in range(ROUNDS)])
    finally:
        for stores in gateways:
            for store in stores:
                await store.close()


def report() -> str:
    """A Markdown table."""
    one, two = measure(1), measure(2)
    return "\n".join(
        [
            f"{GATEWAYS} gateways with {SESSIONS} sessions each; every event holds the lane for {HELD_MS} ms. Medians "
            f"of {ROUNDS} rounds.",
            "",
            "| databases | turns/s | |",
            "|---|---|---|",
            f"| 1 | {one:,.0f} | 100% |",
            f"| 2, sessions hashed over them | {two:,.0f} | {two / one:.0%} |",
        ]
    )


if __name__ == "__main__":
    print(report())
