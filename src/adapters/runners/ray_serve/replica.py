"""What runs in a replica: one engine, as in a child process, and around it what a request needs on another machine.

A request and its events cross as frames of `wire.py`, so that errors are those of the engine and no class is pickled.
Files cross beside them: what the request shows, and before the last event what was made.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from attrs import evolve

from ....domain.generation import Completed, GenerationRequest, InputFile, Started
from ..child import Requests, new_engine
from ..wire import WINDOW, Begin, Cancel, Ended, Frame, Grant, Produced, encode, to_failure
from .application import Application
from .calls import tell_keeper
from .frames import Made, frame_in
from .node_files import on_this_node


class EngineReplica:
    """One replica of an application. Serve makes it, asks it for requests, and deletes it."""

    async def __init__(self, application: Application) -> None:  # type: ignore[misc]  # Serve awaits it
        """Fetch the model if it is not here, and load it; the keeper is told at once if that fails."""
        await tell_keeper("placed", application.name)
        try:
            path = await on_this_node(application.options.path, application.files, application.source)
            options = evolve(application.options, path=path)
            self._engine = await asyncio.to_thread(new_engine, application.engine, options)
        except BaseException as error:
            await tell_keeper("could_not_load", application.name, to_failure(error))
            raise
        self._requests = Requests(self._engine, options.parallel, self._sent)
        self._numbers = count()
        self._inboxes: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Queue[Frame]]] = {}

    async def generate(self, begin: bytes, shown: Sequence[bytes]) -> AsyncGenerator[bytes | Made, None]:
        """Work on the request in `begin`, whose files are `shown`.

        Yields:
            The frames `Produced`, first of them `Started`, and `Ended`; before `Completed` what was made.
        """
        frame, number = frame_in(begin), next(self._numbers)
        if not isinstance(frame, Begin):
            raise TypeError("a request begins with Begin")
        inbox: asyncio.Queue[Frame] = asyncio.Queue()
        self._inboxes[number] = asyncio.get_running_loop(), inbox
        over = False
        yield encode(Produced(number, Started()))
        with TemporaryDirectory(prefix="pluggably-", ignore_cleanup_errors=True) as folder:
            try:
                self._requests.obey(Begin(number, _brought(frame.request, shown, Path(folder))))
                for taken in count(1):
                    frame = await inbox.get()
                    if over := isinstance(frame, Ended):
                        yield encode(frame)
                        return
                    if isinstance(frame, Produced) and isinstance(frame.event, Completed):
                        for file in frame.event.files:
                            yield Made(Path(file.path).name, await asyncio.to_thread(Path(file.path).read_bytes))
                    yield encode(frame)
                    if taken % (WINDOW // 2) == 0:
                        self._requests.obey(Grant(number, WINDOW // 2))
            finally:
                del self._inboxes[number]
                if not over:
                    self._requests.obey(Cancel(number))

    def __del__(self) -> None:
        """Let go of the model; by then no request is here."""
        if hasattr(self, "_engine"):
            self._engine.close()

    def _sent(self, frame: Frame) -> None:
        if isinstance(frame, Produced | Ended) and (waiting := self._inboxes.get(frame.number)):
            loop, inbox = waiting
            loop.call_soon_threadsafe(inbox.put_nowait, frame)


def _brought(request: GenerationRequest, shown: Iterable[bytes], folder: Path) -> GenerationRequest:
    """The request with its files on this machine, and a workspace of its own if it came with one."""
    files = []
    for number, (file, data) in enumerate(zip(request.files, shown, strict=True)):
        path = folder / f"shown-{number}"
        path.write_bytes(data)
        files.append(InputFile(path=str(path), media_type=file.media_type, use=file.use))
    made = folder / "made"
    made.mkdir()
    return evolve(request, files=tuple(files), workspace=str(made) if request.workspace else None)
