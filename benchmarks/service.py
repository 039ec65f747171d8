"""The service as a process: how soon it is ready, what it weighs, how soon it first answers.

`python -m benchmarks.service` prints a table; the medians of `ROUNDS` fresh starts, each with empty data.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import perf_counter, sleep

import httpx
import psutil
from attrs import define

from tests.ports import free_port

ROUNDS = 5
MODELS = Path(".cache/models")
DEMO = "smollm2-135m-instruct"
MB = 2**20


@define
class Running:
    """A service that is ready."""

    url: str
    pid: int
    ready_s: float

    @property
    def resident_bytes(self) -> int:
        """The gateway's own memory, without its models' processes."""
        return psutil.Process(self.pid).memory_info().rss

    @property
    def has_torch(self) -> bool:
        """Whether torch is loaded into the gateway."""
        return "libtorch" in Path(f"/proc/{self.pid}/maps").read_text()


@contextmanager
def serving(models: Path, settings: str = "", data: Path | None = None) -> Iterator[Running]:
    """Run `pluggably serve` on a folder of models, without a log; its data are gone after it, or stay in `data`."""
    port = free_port()
    with ExitStack() as held:
        folder = data or held.enter_context(tempfile.TemporaryDirectory())
        Path(folder, "pluggably.toml").write_text(
            f'data_dir = "{folder}"\n[server]\nport = {port}\naccess_log = false\n'
            f'[models]\nfolders = ["{models.resolve()}"]\n[logging]\nlevel = "warning"\n{settings}'
        )
        begun = perf_counter()
        command = [sys.executable, "-m", "pluggably.entrypoints.cli", "serve"]
        path = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))  # adapters of benchmarks
        with subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": path}) as process:
            try:
                url = f"http://127.0.0.1:{port}"
                _wait_until_ready(url, process)
                yield Running(url, process.pid, perf_counter() - begun)
            finally:
                process.terminate()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            if httpx.get(f"{url}/health/ready").is_success:
                return
        except httpx.TransportError:
            sleep(0.005)
    raise SystemExit("The service did not start.")


def first_answer_s(service: Running) -> float:
    """Seconds of the first request to a service that has loaded no model."""
    begun = perf_counter()
    body = {"model": DEMO, "input": "What is the capital of France?", "parameters": {"max_tokens": 16}}
    httpx.post(f"{service.url}/v1/generations/text", json=body, timeout=120).raise_for_status()
    return perf_counter() - begun


def report() -> str:
    """A Markdown table."""
    ready, memory, first, torch = [], [], [], False
    for _ in range(ROUNDS):
        with serving(MODELS) as service:
            ready.append(service.ready_s)
            memory.append(service.resident_bytes / MB)
            first.append(first_answer_s(service))
            torch = torch or service.has_torch
    return "\n".join(
        [
            "| the service | measured | goal |",
            "|---|---|---|",
            f"| ready, no model loaded | {statistics.median(ready):.2f} s | < 1 s |",
            f"| memory of the gateway process | {statistics.median(memory):.0f} MB | < 100 MB |",
            f"| torch in the gateway process | {'yes' if torch else 'never'} | never |",
            f"| first answer, 16 tokens, model load included | {statistics.median(first):.2f} s | < 3 s |",
        ]
    )


if __name__ == "__main__":
    print(report())
