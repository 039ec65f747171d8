import asyncio
import signal
import sys

import pytest

from pluggably.adapters.database.postgres import PostgresDatabase
from pluggably.adapters.database.sqlite import SqliteDatabase
from pluggably.adapters.memory.usage import MemoryUsageJournal, MemoryUsageLedger
from pluggably.adapters.usage.journal import UsageJournalFiles
from pluggably.adapters.usage.ledger import SqlUsageLedger

from .usage_journal import UsageJournalContract
from .usage_ledger import ONE, UsageLedgerContract, slot

KILLED = """
import os, signal, sys
from pathlib import Path
from pluggably.adapters.usage.journal import UsageJournalFiles
from tests.contracts.usage_ledger import ONE, slot
journal = UsageJournalFiles(Path(sys.argv[1]), "run_killed")
for number in range(100):
    journal.note(slot(model=f"model {number % 2}"), ONE)
os.kill(os.getpid(), signal.SIGKILL)
"""


class TestMemoryLedger(UsageLedgerContract):
    @pytest.fixture
    def ledger(self):
        return MemoryUsageLedger()


class TestSqliteLedger(UsageLedgerContract):
    @pytest.fixture
    async def ledger(self, tmp_path):
        database = SqliteDatabase(tmp_path / "gateway.sqlite")
        yield SqlUsageLedger(database)
        await database.close()


class TestPostgresLedger(UsageLedgerContract):
    @pytest.fixture
    async def ledger(self, database):
        opened = PostgresDatabase(database)
        yield SqlUsageLedger(opened)
        await opened.close()


class TestMemoryJournal(UsageJournalContract):
    @pytest.fixture
    def journal(self):
        return MemoryUsageJournal()


class TestJournalFiles(UsageJournalContract):
    @pytest.fixture
    async def journal(self, tmp_path):
        opened = UsageJournalFiles(tmp_path, "run_1")
        yield opened
        await opened.close()

    async def test_what_a_killed_process_noted_is_in_the_batches_of_the_next_one(self, tmp_path):
        killed = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED, str(tmp_path))
        assert await killed.wait() == -signal.SIGKILL
        journal = UsageJournalFiles(tmp_path, "run_2")
        (batch,) = await journal.sealed()
        assert (batch.writer, sum(it.generations for it in batch.counts.values())) == ("run_killed", 100)
        assert set(batch.counts) == {slot(model="model 0"), slot(model="model 1")}
        await journal.forget(batch)
        await journal.close()
        assert not list(tmp_path.iterdir())

    async def test_what_another_process_is_at_work_on_is_left_to_it(self, journal, tmp_path):
        journal.note(slot(), ONE)
        other = UsageJournalFiles(tmp_path, "run_2")
        assert not await other.sealed()
        await other.close()

    async def test_what_is_not_forgotten_at_the_end_waits_for_the_next_process(self, tmp_path):
        first = UsageJournalFiles(tmp_path, "run_1")
        first.note(slot(), ONE)
        await first.sealed()
        first.note(slot(), ONE)
        await first.close()
        first.note(slot(), ONE)  # too late, and harmless
        second = UsageJournalFiles(tmp_path, "run_2")
        assert [(it.writer, it.number, it.counts) for it in await second.sealed()] == [
            ("run_1", 1, {slot(): ONE}),
            ("run_1", 2, {slot(): ONE}),
        ]
        await second.close()

    async def test_a_line_that_was_cut_off_takes_no_other_one_with_it(self, tmp_path):
        first = UsageJournalFiles(tmp_path, "run_1")
        first.note(slot(), ONE)
        await first.close()
        (path,) = tmp_path.iterdir()
        whole = path.read_bytes()
        path.write_bytes(whole + whole[:20] + whole)
        second = UsageJournalFiles(tmp_path, "run_2")
        assert [it.counts for it in await second.sealed()] == [{slot(): ONE.plus(ONE)}]
        await second.close()
