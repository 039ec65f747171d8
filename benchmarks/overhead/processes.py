"""The stub, the gateway, and what a process and its children have used."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import evolve, frozen

from tests.ports import free_port

HERE = Path(__file__).parent
LINE = 'The quick brown fox said: "I jump over the lazy dog."\n'
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
access_log = {logs}

[access]
methods = {methods}

[logging]
level = "{level}"
format = "json"

[sessions]
store = "{sessions}"

[[providers]]
name = "stub"
kind = "openai"
base_url = "{upstream}"
models = ["gpt-4.1"]
"""


@frozen(kw_only=True)
class Setup:
    """How the gateway is run: as in production it asks for a key and writes a line of JSON for each request."""

    in_production: bool = True
    sessions: str = "memory"

    def settings(self, folder: Path, port: int, upstream: str) -> str:
        return SETTINGS.format(
            folder=folder,
            port=port,
            upstream=upstream,
            sessions=self.sessions,
            logs="true" if self.in_production else "false",
            methods='["api_key"]' if self.in_production else "[]",
            level="info" if self.in_production else "warning",
        )


@frozen
class Target:
    """Something that answers chat completions: the gateway, or the stub itself."""

    name: str
    url: str
    model: str
    pid: int
    ready_s: float = 0.0
    key: str | None = None

    def body(self, **more: object) -> bytes:
        """A request of one line."""
        request = {"model": self.model, "messages": MESSAGES, "temperature": 0.7, "max_tokens": 256}
        return json.dumps(request | more).encode()

    def large_body(self) -> bytes:
        """The same with a prompt of 100 kB."""
        return self.body(messages=[MESSAGES[0], {"role": "user", "content": LINE * (100_000 // len(LINE))}])

    def post(self, url: str, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=5) as answer:
            return answer.read()


def require_tools() -> None:
    missing = [tool for tool in ("cc", "taskset", "wrk") if shutil.which(tool) is None]
    if missing:
        raise SystemExit(f"The overhead benchmark needs {', '.join(missing)}: apt-get install gcc util-linux wrk")
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("The overhead benchmark needs two cores: one for the gateway, one for stub and client.")


@contextmanager
def stub(folder: Path) -> Iterator[Target]:
    """The upstream, built and started."""
    program, port = folder / "stub", free_port()
    subprocess.run(["cc", "-O2", "-o", program, HERE / "stub.c"], check=True)
    with _running([program, str(port)], cpu=LOAD_CPU, folder=folder) as process:
        target = Target("direct", f"http://127.0.0.1:{port}/v1/chat/completions", "gpt-4.1", process.pid)
        _wait_until_it_answers(target, process)
        yield target


@contextmanager
def gateway(command: str, upstream: Target, folder: Path, setup: Setup) -> Iterator[Target]:
    """The gateway, started by `command` in a folder that has its settings, in front of the stub; its log is a file."""
    port, base_url = free_port(), upstream.url.removesuffix("/chat/completions")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pluggably.toml").write_text(setup.settings(folder, port, base_url))
    key = _new_key(command, folder) if setup.in_production else None
    with _answering("gateway", shlex.split(command), port, folder, model="stub/gpt-4.1", key=key) as target:
        yield target


@contextmanager
def bare_proxy(upstream: Target, folder: Path) -> Iterator[Target]:
    """The proxy that does nothing else, started in front of the stub."""
    port, base_url = free_port(), upstream.url.removesuffix("/chat/completions")
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, HERE / "bare_proxy.py", port, base_url]
    with _answering("bare proxy", command, port, folder, model=upstream.model) as target:
        yield target


@contextmanager
def _answering(
    name: str, command: list[object], port: int, folder: Path, *, model: str, key: str | None = None
) -> Iterator[Target]:
    """What that command starts, once it has answered."""
    begun = time.perf_counter()
    with _running(command, cpu=GATEWAY_CPU, folder=folder) as process:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        target = Target(name, url, model, process.pid, key=key)
        _wait_until_it_answers(target, process)
        yield evolve(target, ready_s=time.perf_counter() - begun)


def _new_key(command: str, folder: Path) -> str:
    words = shlex.split(command)
    create = [*words[: words.index("serve")], "keys", "create", "bench", "--json"]
    made = subprocess.run(create, cwd=folder, check=True, stdout=subprocess.PIPE)
    return str(json.loads(made.stdout)["secret"])


def cpu_s(pid: int) -> float:
    """CPU that a process and its children have used; `schedstat` counts nanoseconds, `stat` only ticks of 10 ms.

    Without what a child used that ends meanwhile, such as a connection's process of PostgreSQL.
    """
    used = 0
    for thread in [it for p in _tree(pid) for it in _threads(p)]:
        with suppress(FileNotFoundError, ProcessLookupError):
            used += int(Path(f"{thread}/schedstat").read_text().split()[0])
    return used / 1e9


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
    for _ in range(1_500):
        if process.poll() is not None:
            raise SystemExit(f"{target.name} ended while it started, with status {process.returncode}.")
        try:
            target.post(target.url, target.body())
        except urllib.error.HTTPError as error:
            raise SystemExit(f"{target.name} answers {error.code}: {error.read(500)!r}") from error
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise SystemExit(f"{target.name} did not start.")


def _tree(pid: int) -> list[int]:
    children: list[int] = []
    for thread in _threads(pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            children += map(int, Path(f"{thread}/children").read_text().split())
    return [pid, *(p for child in children for p in _tree(child))]


def _threads(pid: int) -> list[str]:
    """None of a process that has ended."""
    try:
        return [str(thread) for thread in Path(f"/proc/{pid}/task").iterdir()]
    except FileNotFoundError:
        return []
