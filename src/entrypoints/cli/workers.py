"""Several worker processes behind one listening socket, and the process that looks after them.

Each worker is `pluggably serve` with the socket handed down. One that dies is started again, later each time if it dies
at once. To stop, all are told to, and have the time that one would have; told once more, they end at once. They are in
sessions of their own, so that Ctrl-C in a terminal reaches them through the supervisor only, and a pipe tells them when
it is gone, however it ended.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import structlog
from attrs import define, field

from ..settings import Settings, SettingsError

LISTENER, SUPERVISOR = "_PLUGGABLY_LISTENER", "_PLUGGABLY_SUPERVISOR"
"""The environment variables by which a worker is told the numbers of its socket and of the pipe to the supervisor."""

METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""The one of the folder in which workers count together."""

STEADY_S = 10.0
"""Who dies sooner than this after the start is likely to die again."""

LONGEST_PAUSE_S = 30.0
STOPS = (signal.SIGTERM, signal.SIGINT)

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


def supervise(listener: socket.socket, settings: Settings) -> int:
    """Run workers until told to stop.

    Returns:
        The exit code: 0 if all of them ended as told.
    """
    alive, told = os.pipe()
    with tempfile.TemporaryDirectory(prefix="pluggably-metrics-") as metrics, _signals() as signals:
        handed = {LISTENER: listener.fileno(), SUPERVISOR: alive}
        environment = {**os.environ, **{name: str(fd) for name, fd in handed.items()}, METRICS: metrics}
        workers = [Worker(sys.orig_argv, environment, tuple(handed.values())) for _ in range(settings.server.workers)]
        try:
            while not signals.wait_for_stop(min(worker.look() for worker in workers)):
                pass
            listener.close()  # while it is open, the kernel connects those whom nobody will ever accept
            return _end(workers, signals, settings.server.drain_s)
        finally:
            os.close(told)
            os.close(alive)


def handed_down() -> socket.socket | None:
    """The socket that this worker is given; None if it is none. A worker ends when its supervisor does."""
    fd = os.environ.get(LISTENER)
    if fd is None:
        return None
    Thread(target=_end_with, args=(int(os.environ[SUPERVISOR]),), name="supervisor", daemon=True).start()
    return socket.socket(fileno=int(fd))


@define(eq=False)
class Worker:
    """One process, how often it died at once, and when it is to be started."""

    command: Sequence[str]
    environment: dict[str, str]
    handed: tuple[int, ...]
    process: subprocess.Popen[bytes] | None = field(init=False, default=None)
    failures: int = field(init=False, default=0)
    _started_at: float = field(init=False, default=0.0)
    _due_at: float = field(init=False, default=0.0)

    def look(self) -> float:
        """Start it if it is time; gives how long nothing has to be done, in seconds."""
        now = time.monotonic()
        if self.process and self.process.poll() is not None:
            self._died(now)
        if self.process:
            return LONGEST_PAUSE_S
        if now < self._due_at:
            return self._due_at - now
        self._started_at = now
        self.process = subprocess.Popen(  # noqa: S603 - ourselves
            self.command, env=self.environment, pass_fds=self.handed, start_new_session=True
        )
        return LONGEST_PAUSE_S

    def stop(self) -> None:
        """Tell it to stop, or once more."""
        if self.process and self.process.poll() is None:
            self.process.terminate()

    def _died(self, now: float) -> None:
        if self.process is None:
            return
        _log.error("worker.died", pid=self.process.pid, exit_code=self.process.returncode)
        for path in Path(self.environment[METRICS]).glob(f"gauge_*_{self.process.pid}.db"):
            path.unlink()  # what it had at work is not any more
        self.failures = self.failures + 1 if now - self._started_at < STEADY_S else 0
        self._due_at = now + (min(2.0**self.failures, LONGEST_PAUSE_S) if self.failures > 1 else 0)
        self.process = None


class _Signals:
    """Signals as something to wait for: those that stop, and that a worker has died."""

    def __init__(self, woken: socket.socket) -> None:
        self._woken = woken

    def wait_for_stop(self, timeout_s: float) -> bool:
        """Wait for any signal; whether one came that says to stop."""
        if not select.select([self._woken], [], [], timeout_s)[0]:
            return False
        return any(number in STOPS for number in self._woken.recv(256))


@contextmanager
def _signals() -> Iterator[_Signals]:
    woken, waker = socket.socketpair()
    with woken, waker:
        waker.setblocking(False)
        before = signal.set_wakeup_fd(waker.fileno())
        handlers = {it: signal.signal(it, lambda *_: None) for it in (*STOPS, signal.SIGCHLD)}
        try:
            yield _Signals(woken)
        finally:
            signal.set_wakeup_fd(before)
            for it, handler in handlers.items():
                signal.signal(it, handler)


def _end(workers: list[Worker], signals: _Signals, drain_s: float) -> int:
    """Stop all, and wait for as long as one may take for its requests, and then for its jobs."""
    for worker in workers:
        worker.stop()
    processes = [worker.process for worker in workers if worker.process]
    deadline = time.monotonic() + 2 * drain_s + STEADY_S
    while any(process.poll() is None for process in processes) and (left := deadline - time.monotonic()) > 0:
        if signals.wait_for_stop(left):
            for worker in workers:
                worker.stop()
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.wait()
    told = (0, -signal.SIGTERM)  # the latter of one that had not begun to listen to us
    return 0 if all(process.returncode in told for process in processes) else 1


def _end_with(pipe: int) -> None:
    os.read(pipe, 1)  # which ends when no supervisor holds the other end any more
    os.kill(os.getpid(), signal.SIGTERM)
