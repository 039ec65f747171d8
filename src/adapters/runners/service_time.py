"""How long a model's requests take, and so when whoever is turned away may come again."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from attrs import define, field

SMOOTHING = 0.2
"""The weight of the latest time in their mean."""


@define(eq=False)
class ServiceTime:
    """The mean of the times, in seconds."""

    _mean_s: float = field(init=False, default=1.0)

    @contextmanager
    def of_one(self) -> Iterator[None]:
        """Take the time of a request that is worked on."""
        begun = perf_counter()
        try:
            yield
        finally:
            self._mean_s += SMOOTHING * (perf_counter() - begun - self._mean_s)

    def until_free_s(self, *, waiting: int, parallel: int) -> float:
        """When it will be the turn of one more, behind `waiting` others; at least a second."""
        return max(1.0, self._mean_s * (waiting + 1) / parallel)
