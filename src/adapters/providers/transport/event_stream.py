"""Server-sent events, as the `data` of each: the HTML standard's parser, without I/O.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation

Right for any split of the bytes, for CRLF, LF and CR, for comments and for data of several lines. Names, ids and retry
times are left out: no OpenAI-compatible server gives them a meaning. An event that no blank line ended is not one.
"""

from typing import ClassVar

from attrs import define, field


class EventTooLarge(ValueError):
    """One event is larger than the stream accepts."""


@define
class EventStream:
    """Feed it what arrives; it gives the data of the events that are whole by then."""

    media_types: ClassVar[tuple[str, ...]] = ("text/event-stream",)
    limit_bytes: int = 4 * 1024 * 1024
    _begun: list[bytes] = field(init=False, factory=list)
    _begun_bytes: int = field(init=False, default=0)
    _after_cr: bool = field(init=False, default=False)

    def feed(self, data: bytes) -> list[bytes]:
        """The data of each event that `data` completes, in order.

        Raises:
            EventTooLarge: an unfinished event has more than `limit_bytes`.
        """
        if self._after_cr or b"\r" in data:
            data = self._with_newlines(data)
        if self._begun and not self._may_end(data):
            self._hold(data)
            return []
        blocks = b"".join((*self._begun, data)).split(b"\n\n")
        self._begun, self._begun_bytes = [], 0
        self._hold(blocks.pop())
        return [payload for block in blocks if (payload := _data(block)) is not None]

    def end(self) -> list[bytes]:
        """Nothing: see above."""
        return []

    def _may_end(self, data: bytes) -> bool:
        """Whether what is begun may end in `data`; if not, it need not be looked at again: a picture comes in many."""
        return b"\n\n" in data or data.startswith(b"\n")

    def _hold(self, rest: bytes) -> None:
        if rest:
            self._begun.append(rest)
            self._begun_bytes += len(rest)
        if self._begun_bytes > self.limit_bytes:
            raise EventTooLarge(f"An event has more than {self.limit_bytes} bytes.")

    def _with_newlines(self, data: bytes) -> bytes:
        """Every line ending as LF; the LF of a CRLF that was split between two reads is dropped."""
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(block: bytes) -> bytes | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = [line[5:] for line in block.split(b"\n") if line.startswith(b"data:") or line == b"data"]
    return b"\n".join(line.removeprefix(b" ") for line in lines) if lines else None
