"""One round: every figure of one target, once."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from attrs import asdict, frozen

from .processes import HERE, LOAD_CPU, Target, cpu_s, memory_mb

SESSIONS = 256
"""Those of the turns: many more than connections, so that few have to wait for the turn before them."""


@frozen(kw_only=True)
class Figures:
    """What was measured of one target, or the medians of several rounds."""

    per_second_1: float
    per_second_64: float
    per_second_256: float
    p50_ms_1: float
    cpu_ms_per_1000: float
    chunks_per_second_64: float
    cpu_us_per_chunk: float
    first_chunk_ms_1: float
    ready_s: float
    memory_mb: float

    @classmethod
    def median(cls, rounds: Sequence["Figures"]) -> "Figures":
        return cls(**{name: statistics.median(getattr(one, name) for one in rounds) for name in asdict(rounds[0])})


@frozen(kw_only=True)
class Load:
    """What a load of requests was answered with, and took the target."""

    per_second: float
    cpu_ms_per_1000: float

    @classmethod
    def median(cls, rounds: Sequence["Load"]) -> "Load":
        return cls(**{name: statistics.median(getattr(one, name) for one in rounds) for name in asdict(rounds[0])})


def measure(target: Target, seconds: int) -> Figures:
    warm_up(target)
    alone, loaded, crowded = (_whole(target, [target.body()], it, seconds) for it in (1, 64, 256))
    few = _streams(target, 8, 64)
    one = _streams(target, 1, 200)
    many = _streams(target, 64, max(256, int(few["per_second"] / 66 * seconds)))
    return Figures(
        per_second_1=alone["per_second"],
        per_second_64=loaded["per_second"],
        per_second_256=crowded["per_second"],
        p50_ms_1=alone["p50_ms"],
        cpu_ms_per_1000=loaded["cpu_s"] / loaded["requests"] * 1e6,
        chunks_per_second_64=many["per_second"],
        cpu_us_per_chunk=many["cpu_s"] / many["events"] * 1e6,
        first_chunk_ms_1=one["first_event_ms"],
        ready_s=target.ready_s,
        memory_mb=memory_mb(target.pid),
    )


def warm_up(target: Target) -> None:
    _whole(target, [target.body()], 16, 1)


def requests(target: Target, bodies: Sequence[bytes], seconds: int) -> Load:
    """These requests in turn, at 64 connections."""
    answered = _whole(target, bodies, 64, seconds)
    return Load(per_second=answered["per_second"], cpu_ms_per_1000=answered["cpu_s"] / answered["requests"] * 1e6)


def turns(target: Target, seconds: int) -> Load:
    """Turns of many sessions, which have none yet."""
    place = f"{target.url.removesuffix('/chat/completions')}/sessions"
    opened = [json.loads(target.post(place, b"{}"))["id"] for _ in range(SESSIONS)]
    return requests(target, [target.body(session_id=it) for it in opened], seconds)


def _whole(target: Target, bodies: Sequence[bytes], connections: int, seconds: int) -> dict[str, float]:
    """Answers that do not stream, from `wrk`."""
    script = str(HERE / "load" / "post.lua")
    wrk = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", script, target.url]
    return _load(target, bodies, wrk)


def _streams(target: Target, connections: int, count: int) -> dict[str, float]:
    """Streams of 64 chunks that the upstream sends without a pause."""
    script = str(HERE / "load" / "streams.py")
    return _load(target, [target.body(stream=True)], [sys.executable, script, target.url, str(connections), str(count)])


def _load(target: Target, bodies: Sequence[bytes], command: list[str]) -> dict[str, float]:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(b"\n".join(bodies))
        before = cpu_s(target.pid)
        done = subprocess.run(
            ["taskset", "-c", LOAD_CPU, *command],
            env=os.environ | {"BENCH_BODIES": file.name} | ({"BENCH_KEY": target.key} if target.key else {}),
            capture_output=True,
            text=True,
            check=False,
        )
        used = cpu_s(target.pid) - before
    if done.returncode:
        raise SystemExit(f"{command[0]} failed: {done.stderr[-500:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    if figures["failures"]:
        raise SystemExit(f"{target.name} failed {figures['failures']} requests: the figures would mean nothing.")
    return figures | {"cpu_s": used}
