"""What more gateway processes bring, and what a turn and a process cost: `python -m benchmarks.replicas`.

One, two and four processes serve one address (`pluggably serve --workers`), with their sessions on one PostgreSQL. The
upstream is the stub of the overhead benchmark; client, stub, gateway and database share this machine, so that what
ends the growth is its cores. What does not depend on them is told beside it: CPU, bytes and connections of each turn.

From these a second table tells what more replicas would need. It assumes that a replica is a core which does nothing
but turns with an instant upstream, that what they cost stays the same, and that all that PostgreSQL does for a turn is
done in the one lane that appends go through. A third one tells the same by turns. Whoever waits for real models needs
far fewer databases.
"""

import asyncio
import itertools
import json
import math
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

import aiohttp
import psutil
from attrs import asdict, frozen
from psycopg.conninfo import conninfo_to_dict

from tests.ports import free_port
from tests.postgres_server import PostgresServer

from .overhead.processes import MESSAGES, cpu_s, memory_mb, require_tools, stub

PROCESSES = (1, 2, 4)
IMAGINED = (10, 100, 1_000)
PEAKS = (50, 300, 600, 2_400)
GATEWAY_BUSY, DATABASE_BUSY = 0.7, 0.5
ROUNDS = 3
SIDE_BY_SIDE = 64
SECONDS = 4.0
MODEL = "stub/gpt-4.1"
SETTINGS = """
[server]
port = {port}
access_log = false
[logging]
level = "warning"
[sessions]
store = "postgres"
url_env = "SESSIONS_URL"
[[providers]]
name = "stub"
kind = "openai"
base_url = "{upstream}"
models = ["gpt-4.1"]
"""

SIZE = "SELECT pg_current_wal_lsn() - '0/0', pg_database_size(current_database())"
CONNECTIONS = "SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database()"
"""Of the service: one is that of the question."""

Request = Callable[[aiohttp.ClientSession, str], Awaitable[None]]


@frozen(kw_only=True)
class Figures:
    """Of one number of processes: what it did in a second, and what that cost."""

    plain_per_s: float
    turns_per_s: float
    gateway_ms: float
    database_ms: float
    log_kb: float
    table_kb: float
    connections: float
    memory_mb: float


@contextmanager
def serving(processes: int, upstream: str, database: str, folder: Path) -> Iterator[tuple[str, int]]:
    """The service, by its URL and its process."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    (folder / "pluggably.toml").write_text(SETTINGS.format(port=port, upstream=upstream))
    words = [sys.executable, "-m", "pluggably.entrypoints.cli", "serve"]
    if processes > 1:
        words += ["--workers", str(processes)]
    with Popen(words, cwd=folder, env=os.environ | {"SESSIONS_URL": database}) as process:
        try:
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()


async def until_ready(http: aiohttp.ClientSession, url: str, processes: int, pid: int) -> None:
    """Return once all processes listen."""
    while True:
        try:
            async with http.get(f"{url}/health/ready") as answer:
                if answer.status == 200 and len(gateways(pid, processes)) == processes:
                    return
        except aiohttp.ClientError:
            pass
        await asyncio.sleep(0.05)


def gateways(pid: int, processes: int) -> list[int]:
    """The processes that serve: the one that was started, or its children."""
    return [pid] if processes == 1 else [it.pid for it in psutil.Process(pid).children()]


async def plain(http: aiohttp.ClientSession, url: str) -> None:
    """A chat completion without a session."""
    async with http.post(f"{url}/v1/chat/completions", json={"model": MODEL, "messages": MESSAGES}) as answer:
        await answer.read()
        answer.raise_for_status()


def turn(session_id: str) -> Request:
    """A turn of that session."""

    async def take(http: aiohttp.ClientSession, url: str) -> None:
        body = {"model": MODEL, "input": "And then?", "session_id": session_id}
        async with http.post(f"{url}/v1/generations/text", json=body) as answer:
            await answer.read()
            answer.raise_for_status()

    return take


async def opened(http: aiohttp.ClientSession, url: str) -> str:
    """A new session."""
    async with http.post(f"{url}/v1/sessions", json={}) as answer:
        answer.raise_for_status()
        return json.loads(await answer.read())["id"]


async def per_second(http: aiohttp.ClientSession, url: str, requests: list[Request]) -> tuple[float, int]:
    """Repeat each request side by side with the others for some seconds: how many a second, and in all."""
    end, done = time.perf_counter() + SECONDS, itertools.count()

    async def again(request: Request) -> None:
        while time.perf_counter() < end:
            await request(http, url)
            next(done)

    begun = time.perf_counter()
    await asyncio.gather(*map(again, requests))
    total = next(done)
    return total / (time.perf_counter() - begun), total


async def measure(processes: int, upstream: str, server: PostgresServer, folder: Path) -> Figures:
    """One round."""
    connector = aiohttp.TCPConnector(limit=SIDE_BY_SIDE)
    postmaster = server.pid
    with server.database() as database, serving(processes, upstream, database, folder) as (url, pid):
        async with aiohttp.ClientSession(connector=connector) as http:
            await until_ready(http, url, processes, pid)
            await per_second(http, url, [plain] * SIDE_BY_SIDE)  # to warm up
            plain_per_s, _ = await per_second(http, url, [plain] * SIDE_BY_SIDE)
            turns = [turn(await opened(http, url)) for _ in range(SIDE_BY_SIDE)]
            name = conninfo_to_dict(database)["dbname"]
            ((log, table),), cpu, of_database = server.run(SIZE, name), cpu_s(pid), cpu_s(postmaster)
            turns_per_s, total = await per_second(http, url, turns)
            cpu, of_database = cpu_s(pid) - cpu, cpu_s(postmaster) - of_database
            ((log_after, table_after),) = server.run(SIZE, name)
            ((connections,),) = server.run(CONNECTIONS, name)
            memory = statistics.mean(memory_mb(it) for it in gateways(pid, processes))
    return Figures(
        plain_per_s=plain_per_s,
        turns_per_s=turns_per_s,
        gateway_ms=1000 * cpu / total,
        database_ms=1000 * of_database / total,
        log_kb=float(log_after - log) / total / 1000,
        table_kb=(table_after - table) / total / 1000,
        connections=connections / processes,
        memory_mb=memory,
    )


def report() -> str:
    """A Markdown table."""
    require_tools()
    rounds: dict[int, list[Figures]] = {number: [] for number in PROCESSES}
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name, PostgresServer() as server, stub(Path(name)) as upstream:
        base_url = upstream.url.removesuffix("/chat/completions")
        for number, processes in itertools.product(range(ROUNDS), PROCESSES):
            folder = Path(name, f"gateway-{number}-{processes}")
            rounds[processes].append(asyncio.run(measure(processes, base_url, server, folder)))
    measured = {processes: _medians(figures) for processes, figures in rounds.items()}
    return "\n".join(
        [
            f"{SIDE_BY_SIDE} clients side by side, medians of {ROUNDS} rounds. Client, stub, gateway and PostgreSQL "
            f"share {os.cpu_count()} cores.",
            "",
            "| gateway processes | requests/s, no session | turns/s | CPU ms a turn, gateway | PostgreSQL | kB of its "
            "log a turn | of tables and indexes | connections a process | memory a process MB |",
            "|---|---|---|---|---|---|---|---|---|",
            *(_row(processes, medians) for processes, medians in measured.items()),
            "",
            "What that comes to for more of them, if each is a core:",
            "",
            "| replicas | turns/s | databases | its log MB/s | connections | memory GB |",
            "|---|---|---|---|---|---|",
            *(_imagined(replicas, measured[1]) for replicas in IMAGINED),
            "",
            f"What a number of turns needs at its peak: gateways of a core each, {GATEWAY_BUSY:.0%} busy, and one that "
            f"may go; PostgreSQL's cores, {DATABASE_BUSY:.0%} busy. A day stores so much that has a tenth of it:",
            "",
            "| turns/s at the peak | gateways | databases | a database's cores | its connections | GB a day |",
            "|---|---|---|---|---|---|",
            *(_sized(turns, measured[1]) for turns in PEAKS),
        ]
    )


def _medians(rounds: list[Figures]) -> Figures:
    return Figures(**{name: statistics.median(getattr(it, name) for it in rounds) for name in asdict(rounds[0])})


def _row(processes: int, it: Figures) -> str:
    return (
        f"| {processes} | {it.plain_per_s:,.0f} | {it.turns_per_s:,.0f} | {it.gateway_ms:.2f} | {it.database_ms:.2f} | "
        f"{it.log_kb:.1f} | {it.table_kb:.1f} | {it.connections:.0f} | {it.memory_mb:.0f} |"
    )


def _imagined(replicas: int, it: Figures) -> str:
    turns = replicas * 1000 / it.gateway_ms
    databases = math.ceil(turns * it.database_ms / 1000)
    return (
        f"| {replicas:,} | {turns:,.0f} | {databases:,} | {turns * it.log_kb / 1000:,.1f} | "
        f"{replicas * it.connections * databases:,.0f} | {replicas * it.memory_mb / 1024:,.1f} |"
    )


def _sized(turns: int, it: Figures) -> str:
    gateways = math.ceil(turns * it.gateway_ms / 1000 / GATEWAY_BUSY) + 1
    databases = math.ceil(turns * it.database_ms / 1000)
    cores = math.ceil(turns / databases * it.database_ms / 1000 / DATABASE_BUSY)
    return (
        f"| {turns:,} | {gateways} | {databases} | {cores} | {gateways * it.connections:.0f} | "
        f"{turns * it.table_kb / 10 * 86_400 / 1e6:,.1f} |"
    )


if __name__ == "__main__":
    print(report())
