"""The turns of a session that are in its snapshots, as a sequence that reads each when somebody first looks at it."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import overload

from ...domain.session import Turn
from .canonical_json import CanonicalJson
from .topics import CONVERTER

_JSON = CanonicalJson()


class StoredTurns(Sequence[Turn]):
    """Turns that ended, and never change any more; all of them are in snapshots up to the session's `version`."""

    def __init__(self) -> None:
        """No turns."""
        self.version = 0
        self._parts: list[bytes | list[Turn | bytes]] = []
        self._ends: list[int] = []

    def followed_by(self, turns: Iterable[Turn], version: int) -> "StoredTurns":
        """With those that the snapshot at a version adds."""
        part: list[Turn | bytes] = list(turns)
        return self._with(part, len(part), version)

    def followed_by_lines(self, lines: bytes, count: int, version: int) -> "StoredTurns":
        """With those that the snapshot at a version adds, as `to_lines` made them, so many."""
        return self._with(lines, count, version)

    def _with(self, part: bytes | list[Turn | bytes], count: int, version: int) -> "StoredTurns":
        longer = StoredTurns()
        longer.version, longer._parts, longer._ends = version, self._parts, self._ends
        if count:
            longer._parts, longer._ends = [*self._parts, part], [*self._ends, len(self) + count]
        return longer

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    @overload
    def __getitem__(self, place: int) -> Turn: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Turn, ...]: ...

    def __getitem__(self, place: int | slice) -> Turn | tuple[Turn, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        index = range(len(self))[place]
        number = bisect_right(self._ends, index)
        part, before_its_end = self._parts[number], index - self._ends[number]
        if isinstance(part, bytes):
            part = self._parts[number] = list(part.split(b"\n"))
        turn = part[before_its_end]
        if isinstance(turn, bytes):
            turn = part[before_its_end] = CONVERTER.structure(_JSON.decode(turn), Turn)
        return turn


def to_lines(turns: Iterable[Turn]) -> bytes:
    """Turns as lines of canonical JSON."""
    return b"\n".join(_JSON.encode(CONVERTER.unstructure(turn)) for turn in turns)
