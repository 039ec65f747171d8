"""The service as a user runs it: `pluggably serve` as a process of its own, on a free port, with real files."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil

from tests.ports import free_port

SERVE = (sys.executable, "-m", "pluggably.entrypoints.cli", "serve")
START_LIMIT_S = 30


def a_long_answer(model: str, **facts) -> dict:
    """The body of a streamed request that takes seconds: left alone, the demo model says a dozen tokens and ends."""
    text = {"type": "json_schema", "json_schema": {"name": "text", "schema": {"type": "string", "minLength": 2000}}}
    return {"model": model, "input": "Say a lot.", "stream": True, "parameters": {"response_format": text}} | facts


class Service:
    """A running service; `folder` keeps its settings, sessions and log."""

    def __init__(self, folder: Path, models: Path, settings: str = "", environ: dict[str, str] | None = None) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "pluggably.toml").write_text(
            f'data_dir = "{folder}"\n{settings}\n[server]\nport = {self.port}\n[models]\nfolders = ["{models}"]\n'
        )
        # One thread: several wait for each other at every token when the tests' other processes need the cores too.
        self._environ = {**os.environ, "PLUGGABLY_RUNNERS__THREADS": "1", **(environ or {})}

    def start(self) -> "Service":
        """Start it, and return when it says that it is ready."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(SERVE, cwd=self.folder, stdout=log, stderr=log, env=self._environ)
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if httpx.get(f"{self.url}/health/ready").status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.02)
        raise AssertionError(f"the service did not start:\n{self.log}")

    def kill(self) -> None:
        """End it as a power cut would, and wait for its children to notice."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        psutil.wait_procs(children, timeout=20)

    def stop(self) -> int:
        """End it politely.

        Returns:
            Its exit code.
        """
        self.process.terminate()
        return self.process.wait(timeout=30)

    @property
    def children(self) -> list[psutil.Process]:
        """The processes of its loaded models."""
        return psutil.Process(self.process.pid).children(recursive=True)

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "log").read_text()

    def __enter__(self) -> "Service":
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()
