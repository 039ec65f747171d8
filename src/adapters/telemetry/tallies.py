"""What is counted while nobody looks: plain numbers, which are handed to prometheus_client when somebody does.

An increment there is six calls and a lock, and a request makes a dozen of them: 25 µs, which here are 3.
"""

from bisect import bisect_left
from collections import Counter as Numbers
from collections.abc import Sequence

from attrs import define, field
from prometheus_client import Counter, Histogram

Labels = tuple[str, ...]


class TalliedHistogram(Histogram):
    """A histogram that takes many observations at once."""

    def add(self, counts: Sequence[int], total: float) -> None:
        """Add so many observations to each bucket, which are `total` together."""
        self._sum.inc(total)
        for bucket, number in zip(self._buckets, counts, strict=True):
            if number:
                bucket.inc(number)


@define(eq=False)
class CountTally:
    """How often, or how many, by labels."""

    metric: Counter
    _numbers: Numbers[Labels] = field(init=False, factory=Numbers)

    def add(self, labels: Labels, number: int = 1) -> None:
        """So many more."""
        self._numbers[labels] += number

    def hand_over(self) -> None:
        """Hand over what there is since the last time."""
        numbers, self._numbers = self._numbers, Numbers()
        for labels, number in numbers.items():
            (self.metric.labels(*labels) if labels else self.metric).inc(number)


@define(eq=False)
class TimeTally:
    """How long things took, by labels, in the buckets up to each of `bounds`."""

    metric: TalliedHistogram
    bounds: Sequence[float]
    _times: dict[Labels, "_Times"] = field(init=False, factory=dict)

    def add(self, took_s: float, labels: Labels = ()) -> None:
        """One more that took so long."""
        times = self._times.get(labels)
        if times is None:
            self._times[labels] = times = _Times([0] * (len(self.bounds) + 1))
        times.counts[bisect_left(self.bounds, took_s)] += 1
        times.total_s += took_s

    def hand_over(self) -> None:
        """Hand over what there is since the last time."""
        all_times, self._times = self._times, {}
        for labels, times in all_times.items():
            histogram = self.metric.labels(*labels) if labels else self.metric
            histogram.add(times.counts, times.total_s)


@define(eq=False)
class _Times:
    counts: list[int]
    total_s: float = 0.0
