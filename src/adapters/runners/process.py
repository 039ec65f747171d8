"""One child process with one loaded model, seen from the gateway."""

import asyncio
import itertools
import os
import socket
import sys
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import suppress

import psutil
import structlog
from attrs import define, field

from ...domain.errors import Draining, GatewayError, RunnerCrashed
from ...domain.generation import GenerationEvent, GenerationRequest
from .engine import EngineOptions
from .wire import (
    LENGTH,
    WINDOW,
    Begin,
    Cancel,
    Ended,
    Failure,
    Frame,
    Grant,
    Load,
    LoadFailed,
    Produced,
    Ready,
    body_length,
    decode,
    encode,
    to_error,
)

CLOSE_S = 4.0
"""How long the child may take to end by itself."""

TAIL_LINES = 40
"""How much of the engine's output is logged when it crashes."""

log = structlog.get_logger()

Inbox = asyncio.Queue[Produced | Ended]


@define(eq=False)
class RunnerProcess:
    """A running child; made by `start`, ended by `close` or by its own crash."""

    context_length: int = field(init=False, default=0)
    ended: bool = field(init=False, default=False)
    _process: asyncio.subprocess.Process
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter
    _closing: bool = field(init=False, default=False)
    _inboxes: dict[int, Inbox] = field(init=False, factory=dict)
    _numbers: "itertools.count[int]" = field(init=False, factory=itertools.count)
    _tail: deque[str] = field(init=False, factory=lambda: deque(maxlen=TAIL_LINES))
    _listening: asyncio.Task[None] = field(init=False)

    @classmethod
    async def start(cls, engine: str, options: EngineOptions) -> "RunnerProcess":
        """Start a child that loads a model with the engine `module:Class`; return once it is loaded.

        Cancelling this ends the child.

        Raises:
            RunnerCrashed: the model could not be loaded.
            RunnerOutOfMemory: it does not fit.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await _spawn(theirs.fileno())
            except BaseException:
                ours.close()
                raise
        runner = cls(process, *await asyncio.open_connection(sock=ours))
        runner._listening = asyncio.create_task(runner._drain_output())
        try:
            await runner._load(Load(engine, options))
        except BaseException:
            await runner.kill()
            raise
        runner._listening = asyncio.create_task(runner._listen(runner._listening))
        return runner

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def resident_bytes(self) -> int:
        """The memory that it takes now."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Yield deltas and one `Completed`; closing the generator cancels the work.

        Raises:
            RunnerCrashed: the child ended.
            GatewayError: what the engine says.
        """
        self._expect_running()
        number = next(self._numbers)
        inbox = self._inboxes[number] = Inbox()
        over = False
        try:
            self._send(Begin(number, request))
            await self._drain()
            for taken in itertools.count(1):
                frame = await inbox.get()
                if over := isinstance(frame, Ended):
                    if frame.failure:
                        raise to_error(frame.failure)
                    return
                yield frame.event
                if taken % (WINDOW // 2) == 0:
                    self._send(Grant(number, WINDOW // 2))
        finally:
            del self._inboxes[number]
            if not over:
                self._send(Cancel(number))

    async def close(self) -> None:
        """End the child, by force if it does not end by itself."""
        self._closing = True
        self._writer.close()
        try:
            await asyncio.wait_for(self._process.wait(), CLOSE_S)
        except TimeoutError:
            log.warning("runner.killed", pid=self.pid)
        finally:
            await self.kill()

    async def kill(self) -> None:
        """End the child at once."""
        self._closing = True
        self._writer.close()
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._listening

    async def _load(self, load: Load) -> None:
        self._send(load)
        match await self._receive():
            case Ready(context_length):
                self.context_length = context_length
            case LoadFailed(Failure(RunnerCrashed.code, _)):
                log.error("runner.load_failed", engine=load.engine, output=list(self._tail))
                raise RunnerCrashed(detail="The model could not be loaded.")
            case LoadFailed(failure):
                raise to_error(failure)
            case _:
                await self._process.wait()
                log.error("runner.load_failed", engine=load.engine, output=list(self._tail), status=self._status)
                raise RunnerCrashed(detail="The model's process ended while it loaded.")

    async def _listen(self, draining: asyncio.Task[None]) -> None:
        while (frame := await self._receive()) is not None:
            if isinstance(frame, Produced | Ended) and (inbox := self._inboxes.get(frame.number)):
                inbox.put_nowait(frame)
        self.ended = True
        await self._process.wait()
        await draining
        self._writer.close()
        if not self._closing:
            log.error("runner.crashed", pid=self.pid, status=self._status, output=list(self._tail))
        failure = self._why_ended()
        for number, inbox in self._inboxes.items():
            inbox.put_nowait(Ended(number, Failure(failure.code, failure.detail)))

    async def _drain_output(self) -> None:
        output = self._process.stderr
        while output and (line := await _line(output)) is not None:
            self._tail.append(line)
            log.debug("runner.output", pid=self.pid, line=line)
        await self._process.wait()

    async def _receive(self) -> Frame | None:
        try:
            length = body_length(await self._reader.readexactly(LENGTH.size))
            return decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, OSError):
            return None

    def _send(self, frame: Frame) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(frame))

    async def _drain(self) -> None:
        with suppress(OSError):  # a child that is gone is noticed, with its reason, by the listening task
            await self._writer.drain()

    def _expect_running(self) -> None:
        if self.ended or self._closing:
            raise self._why_ended()

    def _why_ended(self) -> GatewayError:
        if self._closing:
            return Draining(detail="The model was unloaded while the request was waiting for it.")
        return RunnerCrashed(
            detail=f"The local model's process ended ({self._status}); the next request starts it again."
        )

    @property
    def _status(self) -> str:
        code = self._process.returncode or 0
        return f"signal {-code}" if code < 0 else f"exit status {code}"


async def _spawn(fd: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"{__package__}.child",
        str(fd),
        pass_fds=[fd],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C in the terminal is for the gateway, which ends its children in order
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


async def _line(stream: asyncio.StreamReader) -> str | None:
    try:
        line = await stream.readline()
    except ValueError:  # longer than the stream's limit, and dropped by it
        return "(a line too long to log)"
    return line.decode(errors="replace").rstrip() if line else None
