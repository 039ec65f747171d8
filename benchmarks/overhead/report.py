"""The figures as a markdown table, the peers' beside ours."""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from .measure import Figures, Load
from .processes import HERE

HEAD = """| system | req/s at 1 / 64 / 256 connections | added p50 ms at 1 | CPU ms per 1,000 requests at 64 \
| chunks/s at 64 streams | added ms to first chunk | ready s | memory MB |
|---|---|---|---|---|---|---|---|"""


LARGE = "prompts of 100 kB"
BARE = "without keys and logs"
TURNS = "turns of sessions on SQLite"
LOADS = (BARE, LARGE, TURNS)

LOADS_HEAD = """| Pluggably, at 64 connections | req/s | goal | CPU ms per 1,000 requests | goal |
|---|---|---|---|---|"""
GOALS = {TURNS: "600"}
GOAL_MS = 200
PROXY = "bare Falcon proxy, aiohttp"


def report(gateway: Figures, bare: Figures, direct: Figures, loads: Mapping[str, Load], rounds: int) -> str:
    peers = json.loads((HERE / "peers.json").read_text())
    there = dict(zip(peers["columns"], next(it for it in peers["rows"] if it[0] == PROXY), strict=True))
    slower = bare.cpu_ms_per_1000 / there["cpu_ms_per_1000"]
    return "\n".join(
        [
            f"{machine()}. Medians of {rounds} rounds; gateway on one core, stub and client on another. Pluggably asks "
            "for an API key, counts for /metrics and writes a line of JSON for each request to a file. "
            f"A streamed chunk takes the gateway {gateway.cpu_us_per_chunk:.1f} µs of CPU. The stub itself: "
            f"{direct.per_second_64:,.0f} req/s, {direct.chunks_per_second_64:,.0f} chunks/s.",
            "",
            HEAD,
            *map(_row, [_measured("**Pluggably**", gateway, direct), _measured(f"{PROXY}, here", bare, direct)]),
            *map(_row, peers["rows"]),
            "",
            f"Peers: {peers['measured']}. The bare proxies do no authentication, validation, sessions or logs. One of "
            f"them was measured here too: a request takes {slower:.2f} times as much CPU here as there. The goal of "
            f"{GOAL_MS} ms is from there, and comes to {GOAL_MS * slower:.0f} here.",
            "",
            LOADS_HEAD,
            f"| as above | {gateway.per_second_64:,.0f} | 4,000 | {gateway.cpu_ms_per_1000:,.0f} | {GOAL_MS} |",
            *(
                f"| {name} | {load.per_second:,.0f} | {GOALS.get(name, '')} | {load.cpu_ms_per_1000:,.0f} | |"
                for name, load in loads.items()
            ),
        ]
    )


def machine() -> str:
    cpus = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if "model name" in line
    ]
    return f"{cpus[0] if cpus else platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _measured(system: str, it: Figures, direct: Figures) -> list[str | float | None]:
    return [
        system,
        it.per_second_1,
        it.per_second_64,
        it.per_second_256,
        it.p50_ms_1 - direct.p50_ms_1,
        it.cpu_ms_per_1000,
        it.chunks_per_second_64,
        it.first_chunk_ms_1 - direct.first_chunk_ms_1,
        it.ready_s,
        it.memory_mb,
    ]


def _row(figures: list[str | float | None]) -> str:
    system, one, many, crowd, p50, cpu, chunks, first, ready, memory = map(_cell, figures)
    return f"| {system} | {one} / {many} / {crowd} | {p50} | {cpu} | {chunks} | {first} | {ready} | {memory} |"


def _cell(figure: str | float | None) -> str:
    if figure is None:
        return "–"
    if isinstance(figure, str):
        return figure
    return f"{figure:,.0f}" if abs(figure) >= 20 else f"{figure:.2f}"
