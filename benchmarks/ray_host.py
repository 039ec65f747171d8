"""The Ray host against the process host: the same model, on the same machine, through the same port.

`python -m benchmarks.ray_host [model.gguf]` prints a table. The cluster is one node on this machine, begun for this;
both hosts have the engine use as many threads. They are asked in turns, and the medians count.
"""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.local_text import DEMO, Answer, Ask, Clock, Turns, request_of, throughput
from pluggably.adapters.runners.pool import LocalRunners
from pluggably.adapters.runners.ray_serve.host import RayRunners
from pluggably.adapters.runners.ray_serve.node_files import FileSource
from pluggably.adapters.telemetry.logging import configure_logging
from pluggably.application.ports import Generator
from pluggably.domain.generation import Completed, Role, TextDelta
from tests.ray_cluster import RayCluster

FIRST_TOKENS = 25
THROUGHPUTS = 5


def asking(generator: Generator, path: Path) -> Ask:
    """Asks through the port."""

    async def ask(turns: Turns, max_tokens: int) -> Answer:
        clock, begun = Clock(), perf_counter()
        async for event in generator.generate(request_of(path, turns, max_tokens)):
            if isinstance(event, TextDelta):
                clock.add(event.text)
            elif isinstance(event, Completed):
                return clock.answer(begun, event.usage.output_tokens)
        raise AssertionError("no end")

    return ask


@asynccontextmanager
async def hosts(path: Path, address: str, folder: str) -> AsyncIterator[Mapping[str, Ask]]:
    """Both, with nothing loaded."""
    cores = os.cpu_count() or 1
    process = LocalRunners(threads=cores)
    cluster = RayRunners(address=address, source=FileSource(folder=folder), cpus=1, threads=cores)
    try:
        yield {"child process": asking(process, path), "replica on Ray": asking(cluster, path)}
    finally:
        await process.close()
        await cluster.close()


async def run(path: Path, address: str) -> str:
    """A Markdown table."""
    lines = [
        "| host | first answer from nothing s | first token of a short prompt ms | tok/s at 1 | tok/s at 8 |",
        "|---|---|---|---|---|",
    ]
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        asks = await stack.enter_async_context(hosts(path, address, folder))
        started, first, one, eight = ({name: [] for name in asks} for _ in range(4))
        for name, ask in asks.items():
            started[name].append((await ask([(Role.USER, "Hello!")], 1)).total_s)
        for _ in range(FIRST_TOKENS):
            for name, ask in asks.items():
                first[name].append((await ask([(Role.USER, "Hello!")], 1)).first_s)
        for _ in range(THROUGHPUTS):
            for name, ask in asks.items():
                one[name].append(await throughput(ask, 1))
            for name, ask in asks.items():
                eight[name].append(await throughput(ask, 8))
    for name in asks:
        lines.append(
            f"| {name} | {median(started[name]):.1f} | {median(first[name]) * 1000:.1f} "
            f"| {median(one[name]):.0f} | {median(eight[name]):.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    configure_logging("warning", "console")
    with RayCluster() as ray_cluster:
        print(asyncio.run(run(Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO, ray_cluster.address)))
