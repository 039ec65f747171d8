"""The stub, the gateway, and what a process and its children have used."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen

HERE = Path(__file__).parent
GATEWAY_CPU, LOAD_CPU = "0", "1"
MESSAGES = [
    {"role": "system", "content": "You are a helpful assistant."},
    {"role": "user", "content": "Explain in two sentences what an AI gateway does."},
]

SETTINGS = """
data_dir = "{folder}"

[server]
host = "127.0.0.1"
port = {port}
access_log = false

[logging]
level = "warning"

[sessions]
store = "memory"

[[providers]]
name = "stub"
kind = "openai"
base_url = "{upstream}"
models = ["gpt-4.1"]
"""


@frozen
class Target:
    """Something that answers chat completions: the gateway, or the stub itself."""

    name: str
    url: str
    model: str
    pid: int
    ready_s: float = 0.0

    def body(self, **more: object) -> bytes:
        request = {"model": self.model, "messages": MESSAGES, "temperature": 0.7, "max_tokens": 256}
        return json.dumps(request | more).encode()


def require_tools() -> None:
    missing = [tool for tool in ("cc", "taskset", "wrk") if shutil.which(tool) is None]
    if missing:
        raise SystemExit(f"The overhead benchmark needs {', '.join(missing)}: apt-get install gcc util-linux wrk")
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("The overhead benchmark needs two cores: one for the gateway, one for stub and client.")


@contextmanager
def stub(folder: Path) -> Iterator[Target]:
    """The upstream, built and started."""
    program, port = folder / "stub", _free_port()
    subprocess.run(["cc", "-O2", "-o", program, HERE / "stub.c"], check=True)
    with _running([program, str(port)], cpu=LOAD_CPU, folder=folder) as process:
        target = Target("direct", f"http://127.0.0.1:{port}/v1/chat/completions", "gpt-4.1", process.pid)
        _wait_until_it_answers(target, process)
        yield target


@contextmanager
def gateway(command: str, upstream: Target, folder: Path) -> Iterator[Target]:
    """The gateway, started by `command` in a folder that has its settings, in front of the stub."""
    port, base_url = _free_port(), upstream.url.removesuffix("/chat/completions")
    folder.mkdir(exist_ok=True)
    (folder / "pluggably.toml").write_text(SETTINGS.format(folder=folder, port=port, upstream=base_url))
    begun = time.perf_counter()
    with _running(shlex.split(command), cpu=GATEWAY_CPU, folder=folder) as process:
        target = Target("gateway", f"http://127.0.0.1:{port}/v1/chat/completions", "stub/gpt-4.1", process.pid)
        _wait_until_it_answers(target, process)
        yield Target(target.name, target.url, target.model, target.pid, time.perf_counter() - begun)


def cpu_s(pid: int) -> float:
    """CPU that a process and its children have used; `schedstat` counts nanoseconds, `stat` only ticks of 10 ms."""
    return (
        sum(int(Path(f"{thread}/schedstat").read_text().split()[0]) for p in _tree(pid) for thread in _threads(p)) / 1e9
    )


def memory_mb(pid: int) -> float:
    """Memory of a process and its children, shared pages divided among those that share them."""
    rollups = (Path(f"/proc/{p}/smaps_rollup").read_text().splitlines() for p in _tree(pid))
    return sum(int(line.split()[1]) for lines in rollups for line in lines if line.startswith("Pss:")) / 1024


@contextmanager
def _running(command: list[object], *, cpu: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", cpu, *map(str, command)], stdout=output, stderr=output, cwd=folder, start_new_session=True
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_it_answers(target: Target, process: subprocess.Popen[bytes]) -> None:
    request = urllib.request.Request(target.url, target.body(), {"Content-Type": "application/json"})
    for _ in range(1_500):
        if process.poll() is not None:
            raise SystemExit(f"{target.name} ended while it started, with status {process.returncode}.")
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{target.name} answers {error.code}: {error.read(500)!r}") from error
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit(f"{target.name} did not start.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _tree(pid: int) -> list[int]:
    children = [int(p) for thread in _threads(pid) for p in Path(f"{thread}/children").read_text().split()]
    return [pid, *(p for child in children for p in _tree(child))]


def _threads(pid: int) -> list[str]:
    return [str(thread) for thread in Path(f"/proc/{pid}/task").iterdir()]
