"""How much of the disk models may take, and which of them go when that is too little.

Pure: the policy, what is stored and the time are passed in. A pinned model never goes, nor does one that is in use or
on its way here; of the others the least recently used goes first. No more go than have to.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import frozen


@frozen(kw_only=True)
class StoragePolicy:
    """`max_bytes` for all models, `min_free_bytes` of the disk that they leave free, `keep_unused` since the last use.

    None, and 0 for what is left free: no such limit.
    """

    max_bytes: int | None = None
    min_free_bytes: int = 0
    keep_unused: timedelta | None = None


@frozen(kw_only=True)
class StoredModel:
    """A model on the disk. Before its first use `last_used_at` is when it came. A `busy` one is in use, or arriving."""

    id: str
    size_bytes: int
    last_used_at: datetime
    pinned: bool = False
    busy: bool = False

    @property
    def may_go(self) -> bool:
        """Whether a policy may delete it."""
        return not (self.pinned or self.busy)


@frozen(kw_only=True)
class Disk:
    """What models are stored on: so many bytes are free, and `other_bytes` are taken by what is no model yet.

    `reserved_bytes` are promised to downloads that run, beyond what they have written.
    """

    free_bytes: int
    other_bytes: int = 0
    reserved_bytes: int = 0


class EvictionReason(StrEnum):
    """By which limit a model goes: the name of the setting."""

    UNUSED = "unused_days"
    MAX_BYTES = "max_bytes"
    MIN_FREE = "min_free_bytes"


@frozen(kw_only=True)
class Eviction:
    """A model that goes, and why."""

    model: StoredModel
    reason: EvictionReason


@frozen(kw_only=True)
class EvictionPlan:
    """What goes, the least recently used first. So many bytes are `lacking` then: nothing else may go."""

    evictions: tuple[Eviction, ...] = ()
    lacking_bytes: int = 0

    @property
    def freed_bytes(self) -> int:
        """How much space there is afterwards that was taken before."""
        return sum(it.model.size_bytes for it in self.evictions)


def plan_eviction(
    policy: StoragePolicy, models: Sequence[StoredModel], disk: Disk, *, at: datetime, needed_bytes: int = 0
) -> EvictionPlan:
    """What has to go at that moment so that `needed_bytes` more can come and every limit holds."""
    candidates = sorted((it for it in models if it.may_go), key=lambda it: (it.last_used_at, it.id))
    unused = [it for it in candidates if _is_unused(it, policy, at)]
    excess = _excesses(policy, models, disk, needed_bytes)
    reason = max(excess, key=excess.__getitem__)
    lacking = max(0, excess[reason]) - _size(unused)
    chosen = _least(candidates[len(unused) :], lacking)
    return EvictionPlan(
        evictions=(
            *(Eviction(model=it, reason=EvictionReason.UNUSED) for it in unused),
            *(Eviction(model=it, reason=reason) for it in chosen),
        ),
        lacking_bytes=max(0, lacking - _size(chosen)),
    )


def _is_unused(it: StoredModel, policy: StoragePolicy, at: datetime) -> bool:
    return policy.keep_unused is not None and it.last_used_at + policy.keep_unused <= at


def _excesses(
    policy: StoragePolicy, models: Sequence[StoredModel], disk: Disk, needed_bytes: int
) -> dict[EvictionReason, int]:
    """By how many bytes each limit is exceeded; below 0 there is as much room."""
    coming = disk.reserved_bytes + needed_bytes
    excesses = {EvictionReason.MIN_FREE: policy.min_free_bytes + coming - disk.free_bytes}
    if policy.max_bytes is not None:
        excesses[EvictionReason.MAX_BYTES] = _size(models) + disk.other_bytes + coming - policy.max_bytes
    return excesses


def _least(candidates: Sequence[StoredModel], wanted_bytes: int) -> list[StoredModel]:
    """The first of the candidates that have so many bytes together, or all; none among them could stay."""
    chosen: list[StoredModel] = []
    freed = 0
    for it in candidates:
        if freed >= wanted_bytes:
            break
        if not it.size_bytes:
            continue
        chosen.append(it)
        freed += it.size_bytes
    for it in reversed(chosen):  # one that came before a large one may not be needed any more
        if freed - it.size_bytes >= wanted_bytes:
            chosen.remove(it)
            freed -= it.size_bytes
    return chosen


def _size(models: Iterable[StoredModel]) -> int:
    return sum(it.size_bytes for it in models)
