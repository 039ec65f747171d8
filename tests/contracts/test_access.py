from datetime import timedelta

import pytest

from pluggably.adapters.access.keys import SqlKeyStore
from pluggably.adapters.access.meter import LEASE, SqlMeter
from pluggably.adapters.database.postgres import PostgresDatabase
from pluggably.adapters.database.sqlite import SqliteDatabase
from pluggably.adapters.memory.access import MemoryKeyStore, MemoryMeter
from pluggably.domain.access import Limits
from tests.session_builders import NOON

from .key_store import KeyStoreContract
from .meter import MeterContract


@pytest.fixture
async def sqlite(tmp_path):
    database = SqliteDatabase(tmp_path / "gateway.sqlite")
    yield database
    await database.close()


@pytest.fixture
async def on_postgres(database):
    opened = PostgresDatabase(database)
    yield opened
    await opened.close()


class TestMemoryKeys(KeyStoreContract):
    @pytest.fixture
    def keys(self):
        return MemoryKeyStore()


class TestSqliteKeys(KeyStoreContract):
    @pytest.fixture
    def keys(self, sqlite):
        return SqlKeyStore(sqlite)


class TestPostgresKeys(KeyStoreContract):
    @pytest.fixture
    def keys(self, on_postgres):
        return SqlKeyStore(on_postgres)


class TestMemoryMeter(MeterContract):
    @pytest.fixture
    def meter(self):
        return MemoryMeter()


class TestSqliteMeter(MeterContract):
    @pytest.fixture
    def meter(self, sqlite):
        return SqlMeter(sqlite, "one")


class TestPostgresMeter(MeterContract):
    @pytest.fixture
    def meter(self, on_postgres):
        return SqlMeter(on_postgres, "one")

    async def test_several_processes_count_together(self, meter, on_postgres):
        other, limits = SqlMeter(on_postgres, "two"), Limits(concurrent=2)
        await meter.enter("a", limits, "t_1", NOON)
        await other.enter("a", limits, "t_2", NOON)
        await self.refused(meter, limits)
        await self.refused(other, limits)

    async def test_what_a_dead_process_had_at_work_has_left_after_a_while(self, meter, on_postgres):
        other, limits = SqlMeter(on_postgres, "two"), Limits(concurrent=2)
        await meter.enter("a", limits, "t_1", NOON)
        await other.enter("a", limits, "t_2", NOON)
        later = NOON + LEASE - timedelta(seconds=1)
        await meter.renew(later)
        await self.refused(meter, limits, later)
        await meter.enter("a", limits, "t_3", NOON + LEASE)
        await self.refused(meter, limits, NOON + LEASE)
