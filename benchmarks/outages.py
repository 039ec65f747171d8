"""What clients notice when a replica, the database or the store is killed: `python -m benchmarks.outages`.

Three services on one PostgreSQL and one S3 stand behind nginx, and eight clients ask for turns, pictures and background
jobs, each again until it is acknowledged. Each part in turn is killed with SIGKILL; all but the replica, which the
others stand in for, is started again at once. Everything is on this machine. That nothing is lost is tested by
`tests/integration/deploy/test_replicas.py`, which does the same.
"""

import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.integration.deploy.replicas import Replicas, replicas, under_load

ROUNDS = 3


def _replica(world: Replicas) -> None:
    world.services[0].kill()


def _database(world: Replicas) -> None:
    world.database.kill()
    world.database.restart()


def _store(world: Replicas) -> None:
    world.s3.kill()
    world.s3.start()


OUTAGES: dict[str, Callable[[Replicas], None]] = {
    "a replica": _replica,
    "PostgreSQL": _database,
    "S3": _store,
}


async def measure(world: Replicas, cause: Callable[[Replicas], None]) -> tuple[float, float, int]:
    """How long it was away, how long all clients took from then on to be served again, and how many errors they saw."""
    before = sum((it.refusals for it in world.clients), Counter[str]())
    begun = time.perf_counter()
    await asyncio.to_thread(cause, world)
    back = time.perf_counter()
    await world.acknowledge_more()
    again = time.perf_counter()
    seen = sum((it.refusals for it in world.clients), Counter[str]()) - before
    errors = sum(number for name, number in seen.items() if "idempotency_in_progress" not in name)
    return back - begun, again - back, errors


async def measured() -> dict[str, list[tuple[float, float, int]]]:
    """Every outage, some times."""
    found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in OUTAGES}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        async with replicas(Path(folder)) as world, under_load(world):
            for _ in range(ROUNDS):
                for name, cause in OUTAGES.items():
                    await world.acknowledge_more()
                    found[name].append(await measure(world, cause))
                await asyncio.to_thread(world.services[0].start)
    return found


def report() -> str:
    """A Markdown table."""
    rows = []
    for name, rounds in asyncio.run(measured()).items():
        away_s, again_s, errors = (statistics.median(figures) for figures in zip(*rounds, strict=True))
        rows.append(f"| {name} | {away_s:.1f} | {again_s:.1f} | {max(it[1] for it in rounds):.1f} | {errors:.0f} |")
    head = [
        f"Medians of {ROUNDS} rounds, and the worst; goal: all are served again within 10 s.",
        "",
        "| killed | away s | until every client was served again s | at worst s | errors that clients saw |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows])


if __name__ == "__main__":
    print(report())
