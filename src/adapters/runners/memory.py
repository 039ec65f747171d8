"""Which loaded models make room for another: pure arithmetic over what is resident."""

from collections.abc import Hashable, Sequence
from math import sqrt

from attrs import frozen

PROCESS_BYTES = 100 * 2**20
"""An engine's process without a model."""


@frozen(kw_only=True)
class Resident:
    """A model in memory, or about to be; a `busy` one stays. `last_used` only has to grow."""

    key: Hashable
    size_bytes: int
    busy: bool
    last_used: float


def estimate_bytes(file_bytes: int, context_tokens: int) -> int:
    """What a model will take, from its files' size and the context to be kept for it.

    A token of context takes about 2.4 times the square root of the file's size: 24 kB for 135 million parameters in
    98 MB (23 kB measured), 168 kB for 8 billion in 4.9 GB (131 kB by its shape). Measured use replaces this once the
    model is loaded.
    """
    return PROCESS_BYTES + file_bytes + round(2.4 * sqrt(file_bytes) * context_tokens)


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
