"""The ports of usage: what has just been used, and where it is added up."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from attrs import frozen

from ..domain.usage import UsageCounts, UsageGroup, UsageSlot


@frozen(kw_only=True)
class UsageBatch:
    """What a process has noted since its batch before; no two have the same `writer` and `number`, which only grows."""

    writer: str
    number: int
    counts: Mapping[UsageSlot, UsageCounts]


@frozen(kw_only=True)
class UsageQuery:
    """Which usage is asked for: of one owner or of all, from an hour up to another one. `after` is the last group of
    the page before.
    """

    group_by: UsageGroup
    owner: str | None = None
    since: int | None = None
    until: int | None = None
    limit: int = 100
    after: str | None = None


@frozen
class UsageSum:
    """What was used of a group: a key's or a model's id, a provider's name, or a day such as `2026-11-25`."""

    group: str
    counts: UsageCounts


class UsageJournal(Protocol):
    """What was used, until the ledger has it. It outlives the process."""

    def note(self, slot: UsageSlot, counts: UsageCounts) -> None:
        """Keep it; takes microseconds, and never fails."""

    async def sealed(self) -> Sequence[UsageBatch]:
        """Everything that was noted up to now, in batches that do not change any more; also what processes have left
        behind that are gone. Each is given until it is forgotten.
        """
        ...

    async def forget(self, batch: UsageBatch) -> None:
        """The ledger has it."""

    async def close(self) -> None:
        """Leave what is not forgotten to the next process."""


class UsageLedger(Protocol):
    """Usage, added up over all processes. What was added is durable."""

    async def add(self, batch: UsageBatch) -> None:
        """Add what is in a batch, all or nothing; one that was added before adds nothing.

        Batches of one writer come in the order of their numbers.
        """

    async def sums(self, query: UsageQuery) -> Sequence[UsageSum]:
        """What was used, by the group, in the order of the groups' names."""
        ...
