"""The command line as a script and as a person at a terminal run it."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time

COMMAND = (sys.executable, "-m", "pluggably.entrypoints.cli")
HEEDS_CTRL_C = ("env", "--default-signal=INT")
"""As at a terminal, also where the tests themselves run in the background, which are started to ignore it."""

PATIENCE_S = 60
_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def pluggably(*words, said: str | bytes = "", cwd=None, **environ):
    """Run a command to its end, without a terminal."""
    raw = subprocess.run(
        [*COMMAND, *words],
        input=said if isinstance(said, bytes) else said.encode(),
        capture_output=True,
        check=False,
        timeout=120,
        cwd=cwd,
        env=os.environ | environ,
    )
    return subprocess.CompletedProcess(raw.args, raw.returncode, raw.stdout.decode(), raw.stderr.decode())


class Terminal:
    """A command on a terminal of its own, 80 columns wide."""

    def __init__(self, *words: str, cwd=None) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (40, 80))
        environ = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [*HEEDS_CTRL_C, *COMMAND, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            cwd=cwd,
            env=environ | {"TERM": "xterm"},
        )
        os.close(slave)
        self.raw = b""

    @property
    def screen(self) -> str:
        """What has been shown, without colours and cursor movements."""
        return _ANSI.sub(b"", self.raw).decode(errors="replace").replace("\r\n", "\n")

    def expect(self, words: str, times: int = 1) -> None:
        """Wait until `words` have been shown so many times."""
        deadline = time.monotonic() + PATIENCE_S
        while self.screen.count(words) < times:
            left_s = deadline - time.monotonic()
            if left_s < 0 or not select.select([self._master], [], [], left_s)[0] or not self._read():
                raise AssertionError(f"{words!r} was not shown {times} times:\n{self.screen}")

    def type(self, line: str) -> None:
        """Type a line."""
        os.write(self._master, line.encode() + b"\n")

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self.process.send_signal(signal.SIGINT)

    def leave(self) -> int:
        """Wait for its end.

        Returns:
            Its exit code.
        """
        while self._read():
            pass
        return self.process.wait(PATIENCE_S)

    def _read(self) -> bytes:
        try:
            chunk = os.read(self._master, 65_536)
        except OSError:  # Linux's way to say that nobody has the other side any more
            return b""
        self.raw += chunk
        return chunk

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)
