"""A real Prometheus, Debian's: the one that is installed, or one that is unpacked beside the tests' models."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

START_LIMIT_S = 30
FETCH_LIMIT_S = 300
_UNPACKED = Path(__file__).resolve().parent.parent / ".cache" / "prometheus"


@cache
def programs() -> Path:
    """The folder of `prometheus` and `promtool`; skips the test, with the reason, where they cannot be had."""
    if found := shutil.which("promtool"):
        return Path(found).parent
    if not _UNPACKED.exists():
        _fetch()
    return _UNPACKED / "usr" / "bin"


def _fetch() -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        pytest.skip("there is no Prometheus here, and no apt-get to fetch it with")
    _UNPACKED.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_UNPACKED.parent) as folder:
        if _apt(folder, "download", "prometheus") and os.geteuid() == 0:
            _apt(folder, "update")
            _apt(folder, "download", "prometheus")
        packages = list(Path(folder).glob("prometheus_*.deb"))
        if not packages:
            pytest.skip("there is no Prometheus here, and apt-get cannot fetch it")
        unpacked = Path(folder, "unpacked")
        subprocess.run(["dpkg-deb", "-x", packages[0], unpacked], check=True)
        try:
            unpacked.rename(_UNPACKED)
        except OSError:  # another test process was first
            if not _UNPACKED.exists():
                raise


def _apt(folder: str, *arguments: str) -> int:
    options = ("-o", "APT::Sandbox::User=root") if os.geteuid() == 0 else ()
    command = ["apt-get", "-qq", *options, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=FETCH_LIMIT_S, check=False).returncode


def promtool(*arguments: str, said: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the tool; what it says of what is wrong is in `stderr` and `stdout`."""
    command = [programs() / "promtool", *arguments]
    return subprocess.run(command, input=said, capture_output=True, text=True, check=False)


class Prometheus:
    """A server of its own for the configuration, with its data in `folder`."""

    def __init__(self, folder: Path, config: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        self.url, self._log = f"http://{address}/api/v1", folder / "prometheus.log"
        self._command = [
            str(programs() / "prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
        ]

    def __enter__(self) -> "Prometheus":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(START_LIMIT_S)

    def get(self, path: str, **query: str) -> Any:
        """What the API answers; fails with what it says of an error."""
        answer = httpx.get(f"{self.url}/{path}", params=query).json()
        assert answer["status"] == "success", f"{query}: {json.dumps(answer)}"
        return answer["data"]

    def until(self, ready: Callable[["Prometheus"], object]) -> None:
        """Wait until it has scraped, or loaded, what `ready` looks for."""
        deadline = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                if ready(self):
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"Prometheus did not get there:\n{self._log.read_text()[-2000:]}")
