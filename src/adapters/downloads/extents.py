"""Which bytes of a file are here, as ranges; pure."""

from collections.abc import Iterable

Extent = tuple[int, int]
"""From a byte up to another, without that one."""


def merged(extents: Iterable[Extent]) -> list[Extent]:
    """The same bytes in as few ranges as possible, in order; empty ranges are left out."""
    whole: list[Extent] = []
    for start, stop in sorted(extents):
        if start >= stop:
            continue
        if whole and start <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(whole[-1][1], stop))
        else:
            whole.append((start, stop))
    return whole


def missing(here: Iterable[Extent], size_bytes: int) -> list[Extent]:
    """What is not here of a file of that size, in order."""
    gaps, at = [], 0
    for start, stop in merged(here):
        if start > at:
            gaps.append((at, min(start, size_bytes)))
        at = max(at, stop)
    return [gap for gap in [*gaps, (at, size_bytes)] if gap[0] < gap[1]]


def total(extents: Iterable[Extent]) -> int:
    """How many bytes these are."""
    return sum(stop - start for start, stop in merged(extents))


def prefix(extents: Iterable[Extent]) -> int:
    """How many bytes are here from the beginning on, without a gap."""
    first = next(iter(merged(extents)), (0, 0))
    return first[1] if first[0] == 0 else 0


def slices(gaps: Iterable[Extent], most_bytes: int) -> list[Extent]:
    """The gaps in pieces of at most so many bytes, in order."""
    return [(at, min(at + most_bytes, stop)) for start, stop in gaps for at in range(start, stop, most_bytes)]
