"""The turns of a session as a sequence that grows at its end.

The earlier ones may be any sequence, also one that reads each turn only when it is looked at: a session of thousands of
turns is opened and added to without reading them.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import overload

from attrs import field, frozen

from .turn import Turn


@frozen(eq=False)
class Turns(Sequence[Turn]):
    """`earlier` turns, which never change any more, then the `latest`."""

    earlier: Sequence[Turn] = field(default=(), repr=False)
    latest: tuple[Turn, ...] = ()

    def adding(self, turn: Turn) -> "Turns":
        """With one more at the end."""
        return Turns(self.earlier, (*self.latest, turn))

    def replacing_last(self, turn: Turn) -> "Turns":
        """With another one at the end."""
        earlier = self.earlier if self.latest else self.earlier[:-1]
        return Turns(earlier, (*self.latest[:-1], turn))

    def __len__(self) -> int:
        return len(self.earlier) + len(self.latest)

    def __iter__(self) -> Iterator[Turn]:
        return chain(self.earlier, self.latest)

    @overload
    def __getitem__(self, place: int) -> Turn: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Turn, ...]: ...

    def __getitem__(self, place: int | slice) -> Turn | tuple[Turn, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        index = place + len(self) if place < 0 else place
        if not 0 <= index < len(self):
            raise IndexError(place)
        return self.earlier[index] if index < len(self.earlier) else self.latest[index - len(self.earlier)]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # compared by value, with parts that cannot be hashed
