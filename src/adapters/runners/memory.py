"""Which loaded models make room for another: pure arithmetic over what is resident."""

from collections.abc import Hashable, Sequence

from attrs import frozen


@frozen(kw_only=True)
class Resident:
    """A model in memory, or about to be; a `busy` one stays. `last_used` only has to grow."""

    key: Hashable
    size_bytes: int
    busy: bool
    last_used: float


def to_unload(residents: Sequence[Resident], *, needed_bytes: int, limit_bytes: int) -> tuple[Hashable, ...] | None:
    """The models to unload so that `needed_bytes` more fit: idle ones, least recently used first, no more than needed.

    None: not even unloading all idle ones would do.
    """
    excess = sum(resident.size_bytes for resident in residents) + needed_bytes - limit_bytes
    chosen: list[Hashable] = []
    for resident in sorted(residents, key=lambda it: it.last_used):
        if excess <= 0:
            break
        if not resident.busy:
            chosen.append(resident.key)
            excess -= resident.size_bytes
    return tuple(chosen) if excess <= 0 else None
