"""The child process that runs one model: `python -m pluggably.adapters.runners.child <fd>`.

`fd` is its end of the socketpair; `wire.py` says what is spoken there. Only here is an engine's module imported, and so
torch or llama.cpp loaded. Everything printed goes to stderr. The child ends when the socket closes; on Linux the kernel
also ends it with its parent, because native code that holds the interpreter's lock (llama.cpp while it loads) would
keep the closed socket from being seen.
"""

import ctypes
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from ...domain.errors import GatewayError, StreamInterrupted
from ...domain.generation import Completed, GenerationEvent, GenerationRequest
from .engine import Engine, EngineOptions
from .outbox import Outbox
from .wire import (
    LENGTH,
    Begin,
    Cancel,
    Ended,
    Frame,
    Grant,
    Load,
    LoadFailed,
    Ready,
    body_length,
    decode,
    encode,
    to_failure,
)

CLOSE_S = 2.0
"""How long an engine may take to close before the process ends without it."""

PR_SET_PDEATHSIG = 1


class Channel:
    """Frames in and out of a blocking socket; any thread may send, one receives."""

    def __init__(self, connection: socket.socket) -> None:
        """Own the connection."""
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, frame: Frame) -> None:
        """Send a frame; to a gateway that is gone, do nothing: the receiving thread ends the process."""
        with self._sending, suppress(OSError):
            self._connection.sendall(encode(frame))

    def receive(self) -> Frame | None:
        """The next frame, or None once the other end has closed."""
        header = self._exactly(LENGTH.size)
        body = header and self._exactly(body_length(header))
        return decode(body) if body else None

    def _exactly(self, size: int) -> bytes | None:
        buffer = bytearray(size)
        view, done = memoryview(buffer), 0
        while done < size:
            try:
                got = self._connection.recv_into(view[done:])
            except OSError:
                return None
            if not got:
                return None
            done += got
        return bytes(buffer)


class Requests:
    """The requests that one loaded engine works on."""

    def __init__(self, engine: Engine, parallel: int, send: Callable[[Frame], None]) -> None:
        """`parallel` requests run at once, each on a thread of its own."""
        self._engine = engine
        self._send = send
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix="request")
        self._outboxes: dict[int, Outbox] = {}

    def obey(self, frame: Frame) -> None:
        """Do what the gateway says."""
        match frame:
            case Begin(number, request):
                self._outboxes[number] = outbox = Outbox(number, self._sent)
                self._threads.submit(self._run, request, outbox)
            case Grant(number) | Cancel(number) if known := self._outboxes.get(number):
                known.take(frame)

    def _sent(self, frame: Frame) -> None:
        if isinstance(frame, Ended):
            self._outboxes.pop(frame.number, None)
        self._send(frame)

    def _run(self, request: GenerationRequest, outbox: Outbox) -> None:
        completed = False

        def emit(event: GenerationEvent) -> None:
            nonlocal completed
            completed = completed or isinstance(event, Completed)
            outbox.put(event)

        try:
            if not outbox.cancelled:
                self._engine.generate(request, emit, lambda: outbox.cancelled)
            if not completed and not outbox.cancelled:
                raise StreamInterrupted
        except BaseException as error:
            if not isinstance(error, GatewayError):
                traceback.print_exc()
            outbox.finish(to_failure(error))
        else:
            outbox.finish(None)


def serve(channel: Channel) -> None:
    """Load what the first frame says, then serve until the socket closes. Does not return."""
    load = channel.receive()
    if not isinstance(load, Load):
        os._exit(0)
    loaded = threading.Event()
    closed = threading.Event()
    requests: list[Requests] = []

    def listen() -> None:
        while (frame := channel.receive()) is not None:
            requests[0].obey(frame)  # none comes before `Ready`
        if loaded.is_set():
            closed.set()
            time.sleep(CLOSE_S)
        os._exit(0)

    threading.Thread(target=listen, name="listen", daemon=True).start()
    try:
        engine = new_engine(load.engine, load.options)
    except BaseException as error:
        traceback.print_exc()
        channel.send(LoadFailed(to_failure(error)))
        os._exit(1)
    requests.append(Requests(engine, load.options.parallel, channel.send))
    loaded.set()
    channel.send(Ready(engine.context_length))
    closed.wait()
    engine.close()
    os._exit(0)


def new_engine(dotted_path: str, options: EngineOptions) -> Engine:
    """Import `module:Class` and load a model with it."""
    module, _, name = dotted_path.partition(":")
    engine: Engine = getattr(import_module(module), name)(options)
    return engine


def be_expendable() -> None:
    """Die with the gateway, and before it when memory runs out; where the system knows of such things."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("500")


def main() -> None:
    """Take the socket from the command line and serve it."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.setblocking(True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    be_expendable()
    serve(Channel(connection))


if __name__ == "__main__":
    main()
