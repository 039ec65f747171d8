"""Usage in memory, lost at the end: for tests, and to develop against."""

from collections.abc import Sequence

from ...application.usage_ports import UsageBatch, UsageQuery, UsageSum
from ...domain.usage import UsageCounts, UsageGroup, UsageSlot, added_up


class MemoryUsageJournal:
    """Implements `UsageJournal`."""

    def __init__(self, writer: str = "here") -> None:
        self._writer, self._number = writer, 0
        self._noted: list[tuple[UsageSlot, UsageCounts]] = []
        self._sealed: list[UsageBatch] = []

    def note(self, slot: UsageSlot, counts: UsageCounts) -> None:
        """Keep it."""
        self._noted.append((slot, counts))

    async def sealed(self) -> Sequence[UsageBatch]:
        """What was noted up to now."""
        if self._noted:
            self._number += 1
            self._sealed.append(UsageBatch(writer=self._writer, number=self._number, counts=added_up(self._noted)))
            self._noted = []
        return tuple(self._sealed)

    async def forget(self, batch: UsageBatch) -> None:
        """The ledger has it."""
        self._sealed = [it for it in self._sealed if it.number != batch.number]

    async def close(self) -> None:
        """Nothing to leave."""


class MemoryUsageLedger:
    """Implements `UsageLedger`."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._hours: dict[UsageSlot, UsageCounts] = {}

    async def add(self, batch: UsageBatch) -> None:
        """Add what is in a batch, once."""
        if self._last.get(batch.writer, 0) < batch.number:
            self._last[batch.writer] = batch.number
            self._hours = dict(added_up((*self._hours.items(), *batch.counts.items())))

    async def sums(self, query: UsageQuery) -> Sequence[UsageSum]:
        """What was used, by the group."""
        sums: dict[str, UsageCounts] = {}
        for slot, counts in self._hours.items():
            group = _group(slot, query.group_by)
            if _is_of(slot, query) and (query.after is None or group > query.after):
                sums[group] = sums[group].plus(counts) if group in sums else counts
        return [UsageSum(group, counts) for group, counts in sorted(sums.items())][: query.limit]


def _group(slot: UsageSlot, group_by: UsageGroup) -> str:
    match group_by:
        case UsageGroup.KEY:
            return slot.key
        case UsageGroup.MODEL:
            return slot.model
        case UsageGroup.PROVIDER:
            return slot.provider
        case UsageGroup.DAY:
            return slot.day


def _is_of(slot: UsageSlot, query: UsageQuery) -> bool:
    since, until = query.since or 0, query.until if query.until is not None else slot.hour + 1
    return query.owner in (None, slot.owner) and since <= slot.hour < until
