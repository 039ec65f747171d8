"""Where lines of the log go to: those that are written in one turn of the event loop go out in one write."""

import asyncio
import atexit
from threading import Lock
from typing import Any, TextIO


class Lines:
    """A logger of structlog, and a stream for the standard library's handlers.

    A write for each of many requests that end together costs as much as all that is said of them. Without a loop, as in
    threads, a line is written at once.
    """

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._ready: list[str] = []
        self._lock = Lock()
        atexit.register(self.flush)

    def write(self, text: str) -> None:
        """Write some lines, which end as such."""
        self._ready.append(text)
        if len(self._ready) > 1:
            return
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:
            self.flush()

    def flush(self) -> None:
        """Have everything written."""
        with self._lock:
            ready, self._ready = self._ready, []
            if ready and not self._output.closed:
                self._output.write("".join(ready))
                self._output.flush()

    def msg(self, line: str) -> None:
        """Write a line."""
        self.write(f"{line}\n")

    log: Any = msg
    debug = info = warning = warn = error = critical = fatal = exception = failure = err = msg
