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


def measure(target: Target, seconds: int) -> Figures:
    whole(target, 16, 1)  # to warm up
    alone, loaded, crowded = (whole(target, connections, seconds) for connections in (1, 64, 256))
    warm_up = streams(target, 8, 64)
    one = streams(target, 1, 200)
    many = streams(target, 64, max(256, int(warm_up["per_second"] / 66 * seconds)))
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


def whole(target: Target, connections: int, seconds: int) -> dict[str, float]:
    """Answers that do not stream, from `wrk`."""
    script = str(HERE / "load" / "post.lua")
    return _load(target, target.body(), ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script, target.url])


def streams(target: Target, connections: int, count: int) -> dict[str, float]:
    """Streams of 64 chunks that the upstream sends without a pause."""
    script = str(HERE / "load" / "streams.py")
    command = [sys.executable, script, target.url, "BODY", str(connections), str(count)]
    return _load(target, target.body(stream=True), command)


def _load(target: Target, body: bytes, command: list[str]) -> dict[str, float]:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(body)
        before = cpu_s(target.pid)
        done = subprocess.run(
            ["taskset", "-c", LOAD_CPU, *(file.name if word == "BODY" else word for word in command)],
            env=os.environ | {"BENCH_BODY": file.name},
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
