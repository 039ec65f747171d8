"""Several worker processes behind one listening socket, and the process that looks after them.

Each worker is `pluggably serve` with the socket handed down. One that dies is started again, later each time if it dies
at once. To stop, all are told to, and have the time that one would have.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import structlog
from attrs import define, field

from ..settings import Settings, SettingsError

LISTENER = "_PLUGGABLY_LISTENER"
"""The environment variable by which a worker is told its socket's number."""

METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""The one of the folder in which workers count together."""

LOOK_S = 0.2
STEADY_S = 10.0
LONGEST_PAUSE_S = 30.0

_log = structlog.get_logger()


def expect_shareable(settings: Settings) -> None:
    """Insist on stores that several processes can share.

    Raises:
        SettingsError: they cannot.
    """
    if settings.server.workers > 1 and settings.sessions.store != "postgres":
        raise SettingsError(
            detail=f"server.workers = {settings.server.workers} needs sessions.store = 'postgres': with "
            f"{settings.sessions.store!r} sessions, keys, limits and jobs are one process's alone. Set up PostgreSQL, "
            "run `pluggably migrate`, and name its URL in sessions.url_env; or serve with one worker."
        )


@define(eq=False)
class Worker:
    """One process, and how often it died at once."""

    command: list[str]
    environment: dict[str, str]
    fd: int
    process: subprocess.Popen[bytes] = field(init=False)
    started_at: float = field(init=False)
    failures: int = field(init=False, default=0)

    def start(self) -> None:
        """Start it."""
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(self.command, env=self.environment, pass_fds=(self.fd,))  # noqa: S603 - ourselves

    @property
    def may_start_at(self) -> float:
        """When it is started again after it died."""
        return self.started_at + (0 if not self.failures else min(2.0**self.failures, LONGEST_PAUSE_S))

    def look(self) -> None:
        """Start it again if it died."""
        if self.process.poll() is None:
            return
        if time.monotonic() - self.started_at < STEADY_S and time.monotonic() < self.may_start_at:
            return
        _log.error("worker.died", pid=self.process.pid, exit_code=self.process.returncode)
        for path in Path(self.environment[METRICS]).glob(f"gauge_*_{self.process.pid}.db"):
            path.unlink()  # what it had at work is not any more
        self.failures = self.failures + 1 if time.monotonic() - self.started_at < STEADY_S else 0
        self.start()


def supervise(listener: socket.socket, settings: Settings) -> int:
    """Run workers until told to stop.

    Returns:
        The exit code: 0 if all of them ended as told.
    """
    number, fd = settings.server.workers, listener.fileno()
    os.set_inheritable(fd, True)
    stopping: list[int] = []

    def stop(signal_number: int, _: FrameType | None) -> None:
        stopping.append(signal_number)

    for it in (signal.SIGTERM, signal.SIGINT):
        signal.signal(it, stop)
    with tempfile.TemporaryDirectory(prefix="pluggably-metrics-") as metrics:
        environment = {**os.environ, LISTENER: str(fd), METRICS: metrics}
        workers = [Worker(sys.orig_argv, environment, fd) for _ in range(number)]
        for worker in workers:
            worker.start()
        while not stopping:
            time.sleep(LOOK_S)
            for worker in workers:
                if not stopping:
                    worker.look()
        return _ended(workers, settings.server.drain_s)


def _ended(workers: list[Worker], drain_s: float) -> int:
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.terminate()
    deadline = time.monotonic() + 2 * drain_s + STEADY_S
    for worker in workers:
        try:
            worker.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
    told = (0, -signal.SIGTERM)  # the latter of one that had not begun to listen to us
    return 0 if all(worker.process.returncode in told for worker in workers) else 1


def handed_down() -> socket.socket | None:
    """The socket that this worker is given; None if it is none."""
    fd = os.environ.get(LISTENER)
    return socket.socket(fileno=int(fd)) if fd else None
