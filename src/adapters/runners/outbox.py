"""What a request has produced and its reader has not taken yet, without ever holding up the engine.

At most `WINDOW` events are under way; what comes beyond that waits here, merged with what already waits. So a slow
reader costs the memory of one output's text, and neither it nor the other requests cost the engine any time.
"""

from collections.abc import Callable
from threading import Lock

from attrs import define, evolve, field

from ...domain.generation import GenerationEvent, Progress, TextDelta, ToolCallDelta
from .wire import WINDOW, Cancel, Ended, Failure, Frame, Grant, Produced


@define(eq=False)
class Outbox:
    """One request's events on their way out; safe to use from any thread."""

    number: int
    _send: Callable[[Frame], None]
    cancelled: bool = field(init=False, default=False)
    _room: int = field(init=False, default=WINDOW)
    _waiting: list[GenerationEvent] = field(init=False, factory=list)
    _end: Ended | None = field(init=False, default=None)
    _lock: Lock = field(init=False, factory=Lock)

    def put(self, event: GenerationEvent) -> None:
        """Send an event, or keep it until the reader has taken others."""
        with self._lock:
            if self.cancelled:
                return
            if self._waiting or not self._room:
                add(self._waiting, event)
            else:
                self._produce(event)

    def finish(self, failure: Failure | None) -> None:
        """Tell the end, after everything that waits."""
        with self._lock:
            self._end = Ended(self.number, failure)
            self._flush()

    def take(self, frame: Grant | Cancel) -> None:
        """Obey the reader: it has room again, or is gone."""
        with self._lock:
            if isinstance(frame, Cancel):
                self.cancelled = True
                self._waiting.clear()
            else:
                self._room += frame.events
            self._flush()

    def _flush(self) -> None:
        while self._room and self._waiting:
            self._produce(self._waiting.pop(0))
        if self._end and not self._waiting:
            self._send(self._end)
            self._end = None

    def _produce(self, event: GenerationEvent) -> None:
        self._room -= 1
        self._send(Produced(self.number, event))


def add(waiting: list[GenerationEvent], event: GenerationEvent) -> None:
    """Put an event last, as part of the one before it where the two say the same as one."""
    match waiting[-1] if waiting else None, event:
        case TextDelta(text=before), TextDelta(text=text):
            waiting[-1] = TextDelta(before + text)
        case ToolCallDelta(index=index, arguments=before) as last, ToolCallDelta(index=same, id="", arguments=more) if (
            index == same
        ):
            waiting[-1] = evolve(last, arguments=before + more)
        case Progress(), Progress():
            waiting[-1] = event
        case _:
            waiting.append(event)
