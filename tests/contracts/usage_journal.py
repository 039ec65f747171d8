"""What every `UsageJournal` promises; a test module per adapter subclasses this and provides the fixture `journal`."""

import pytest

from pluggably.application.usage_ports import UsageJournal
from pluggably.domain.usage import UsageCounts

from .usage_ledger import ONE, slot


class UsageJournalContract:
    """Fixtures to provide: `journal`, closed afterwards."""

    @pytest.fixture
    def journal(self) -> UsageJournal:
        raise NotImplementedError

    async def test_what_is_noted_is_sealed_in_one_batch(self, journal):
        journal.note(slot(), ONE)
        journal.note(slot(model="large"), UsageCounts(failed_attempts=1))
        journal.note(slot(), ONE)
        (batch,) = await journal.sealed()
        assert batch.counts == {slot(): ONE.plus(ONE), slot(model="large"): UsageCounts(failed_attempts=1)}

    async def test_nothing_noted_is_no_batch(self, journal):
        assert not await journal.sealed()

    async def test_a_batch_is_given_until_it_is_forgotten_and_never_changes(self, journal):
        journal.note(slot(), ONE)
        (batch,) = await journal.sealed()
        before = dict(batch.counts)
        journal.note(slot(), ONE)
        assert (await journal.sealed())[0] == batch and batch.counts == before
        await journal.forget(batch)
        (after,) = await journal.sealed()
        assert after.writer == batch.writer and after.number > batch.number and after.counts == {slot(): ONE}
        await journal.forget(after)
        assert not await journal.sealed()
