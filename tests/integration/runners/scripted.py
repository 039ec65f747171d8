"""An engine that does what its prompt says, and keeps a record in the folder that is its model, or holds it.

It runs in a real child process; tests see what it did, and hold it up, by files in that folder.
"""

import ctypes
import os
import signal
import time
from pathlib import Path

from attrs import evolve

from pluggably.adapters.runners.engine import Emit, EngineOptions, Stopped
from pluggably.domain.errors import ContextLengthExceeded, InvalidRequest
from pluggably.domain.generation import (
    Completed,
    FinishReason,
    GenerationRequest,
    OutputFile,
    TextDelta,
    TextPart,
    Usage,
)

PATH = f"{__name__}:ScriptedEngine"


class ScriptedEngine:
    context_length = 1000

    def __init__(self, options: EngineOptions) -> None:
        path = Path(options.path)
        self.folder = path if path.is_dir() else path.parent
        self.record("loads", str(os.getpid()))
        if (self.folder / "no-memory").exists():
            raise MemoryError
        if (self.folder / "broken").exists():
            raise RuntimeError("a secret path: /etc/secret")
        while (self.folder / "hold-load").exists():
            time.sleep(0.002)
        if (self.folder / "hold-lock").exists():
            hold_the_interpreter()

    def generate(self, request: GenerationRequest, emit: Emit, stopped: Stopped) -> None:
        command, _, argument = request.messages[-1].text.partition(" ")
        if command == "copy":
            emit(evolve(completed(""), files=(copied(request),)))
            return
        said = getattr(self, f"on_{command}")(argument, emit, stopped)
        if said is not None and not stopped():
            emit(completed(said))

    def close(self) -> None:
        self.record("closes", "")

    def on_say(self, argument: str, emit: Emit, stopped: Stopped) -> str:
        words = [f"word{number} " for number in range(int(argument))]
        for word in words:
            emit(TextDelta(word))
        self.record("said", argument)
        return "".join(words)

    def on_where(self, argument: str, emit: Emit, stopped: Stopped) -> str:
        return str(os.getpid())

    def on_hold(self, argument: str, emit: Emit, stopped: Stopped) -> str:
        """Say one word, then nothing until the file `release` is there or nobody listens."""
        self.record("holding", argument)
        emit(TextDelta("held"))
        while not (self.folder / "release").exists():
            if stopped():
                self.record("stopped", argument)
                return "held"
            time.sleep(0.002)
        return "held"

    def on_die(self, argument: str, emit: Emit, stopped: Stopped) -> None:
        print("last words")
        emit(TextDelta("alive"))
        os.kill(os.getpid(), signal.SIGKILL)

    def on_fail(self, argument: str, emit: Emit, stopped: Stopped) -> None:
        raise RuntimeError("a secret path: /etc/secret")

    def on_exhaust(self, argument: str, emit: Emit, stopped: Stopped) -> None:
        raise MemoryError

    def on_overflow(self, argument: str, emit: Emit, stopped: Stopped) -> None:
        raise ContextLengthExceeded(detail="2000 tokens, 1000 allowed")

    def on_refuse(self, argument: str, emit: Emit, stopped: Stopped) -> None:
        raise InvalidRequest.at("/parameters/top_k", "not here", ("top_p",))

    def on_vanish(self, argument: str, emit: Emit, stopped: Stopped) -> None:
        emit(TextDelta("half"))

    def on_freeze(self, argument: str, emit: Emit, stopped: Stopped) -> None:
        emit(TextDelta("cold"))
        hold_the_interpreter()

    def record(self, name: str, what: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write(f"{what}\n")


def completed(text: str) -> Completed:
    usage = Usage(input_tokens=1, output_tokens=1, source="runner")
    return Completed(output=(TextPart(text),), finish_reason=FinishReason.STOP, usage=usage)


def copied(request: GenerationRequest) -> OutputFile:
    """What the request shows, once more."""
    (shown,) = request.files
    made = Path(request.workspace or "") / "copy.png"
    made.write_bytes(Path(shown.path).read_bytes())
    return OutputFile(path=str(made), media_type=shown.media_type)


def hold_the_interpreter() -> None:
    """A native call that keeps the interpreter's lock: no Python code of this process runs any more."""
    ctypes.PyDLL(None).sleep(600)
