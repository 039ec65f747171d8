"""Lines of a stream (newline-delimited JSON), whole, for any split of the bytes and without I/O."""

from typing import ClassVar

from attrs import define, field

from .event_stream import EventTooLarge


@define
class Lines:
    """Feed it what arrives; it gives the lines that are whole by then, without those that are empty."""

    media_types: ClassVar[tuple[str, ...]] = ("application/x-ndjson", "application/json")
    limit_bytes: int = 4 * 1024 * 1024
    _begun: bytearray = field(init=False, factory=bytearray)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, in order.

        Raises:
            EventTooLarge: an unfinished line has more than `limit_bytes`.
        """
        self._begun += data
        lines: list[bytes] = []
        if b"\n" in data:
            *whole, rest = bytes(self._begun).split(b"\n")
            lines, self._begun = [line for line in map(bytes.strip, whole) if line], bytearray(rest)
        if len(self._begun) > self.limit_bytes:
            raise EventTooLarge(f"A line has more than {self.limit_bytes} bytes.")
        return lines

    def end(self) -> list[bytes]:
        """The last line, which nothing ended but the stream, if there is one."""
        rest = bytes(self._begun).strip()
        self._begun = bytearray()
        return [rest] if rest else []
