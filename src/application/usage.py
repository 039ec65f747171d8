"""What was used: noted as generations end, written down a little later, told to whoever used it."""

import asyncio
from collections.abc import Iterator, Sequence

from attrs import define, evolve, field

from ..domain.access import Principal, Scope
from ..domain.generation import Usage
from ..domain.model import Modality
from ..domain.session import CANCELLED
from ..domain.usage import UsageCounts, UsageSlot, hour_of
from .ports import Clock
from .telemetry import Observed
from .usage_ports import UsageJournal, UsageLedger, UsageQuery, UsageSum

OK = "ok"


@define(kw_only=True, eq=False)
class UsageReports:
    """Notes what is used in the journal, which costs a request microseconds, and brings that into the ledger."""

    journal: UsageJournal
    ledger: UsageLedger
    clock: Clock
    _writing: asyncio.Lock = field(init=False, factory=asyncio.Lock)

    def note(self, it: Observed) -> None:
        """A generation is over."""
        hour = hour_of(self.clock())
        for provider, model, counts in _used(it):
            self.journal.note(UsageSlot(hour, it.owner, it.account, provider, model), counts)

    async def write(self) -> None:
        """Bring into the ledger what was noted up to now.

        Raises:
            GatewayError: some of it is still to be written.
        """
        async with self._writing:
            for _ in range(2):  # what had to wait, and then what was noted since
                for batch in await self.journal.sealed():
                    await self.ledger.add(batch)
                    await self.journal.forget(batch)

    async def report(self, query: UsageQuery, principal: Principal) -> Sequence[UsageSum]:
        """What they used, or with the scope `admin` what everybody used; all that ended here before, and what ended in
        other processes a moment before.
        """
        await self.write()
        owner = None if Scope.ADMIN in principal.scopes else principal.id
        return await self.ledger.sums(evolve(query, owner=owner))


def _used(it: Observed) -> Iterator[tuple[str, str, UsageCounts]]:
    """What was used of each model, which may be told in parts."""
    last = len(it.spent) - 1
    for number, spent in enumerate(it.spent):
        answered = int(number == last and it.outcome == OK)
        yield spent.provider, spent.model, _taken(spent.usage, spent.files, answered)
    for attempt in it.attempts:
        if attempt.status != OK:
            yield attempt.provider, attempt.model, UsageCounts(failed_attempts=1)
    if it.outcome != OK:
        said = it.pieces if it.modality is Modality.TEXT and not it.spent else 0
        yield it.provider, it.model, UsageCounts(cancelled=int(it.outcome == CANCELLED), unfinished_tokens=said)


def _taken(usage: Usage, files: int, answered: int) -> UsageCounts:
    taken = usage.input_tokens + usage.output_tokens
    estimated = taken if usage.source == "estimated" else 0
    return UsageCounts(  # by their places: names take four times as long
        answered, 0, 0, usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, estimated, 0, files
    )
