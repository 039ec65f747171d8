import pytest

from pluggably.adapters.catalog.registry import SqlModelRegistry, SqlModelUses
from pluggably.adapters.database.postgres import PostgresDatabase
from pluggably.adapters.database.sqlite import SqliteDatabase
from pluggably.adapters.memory.registry import MemoryModelRegistry, MemoryModelUses

from .model_registry import ModelRegistryContract, ModelUsesContract


@pytest.fixture
async def sqlite(tmp_path):
    opened = SqliteDatabase(tmp_path / "gateway.sqlite")
    yield opened
    await opened.close()


@pytest.fixture
async def postgresql(database):
    opened = PostgresDatabase(database)
    yield opened
    await opened.close()


class TestMemoryModelRegistry(ModelRegistryContract):
    @pytest.fixture
    def registry(self):
        return MemoryModelRegistry()


class TestSqliteModelRegistry(ModelRegistryContract):
    @pytest.fixture
    def registry(self, sqlite):
        return SqlModelRegistry(sqlite)


class TestPostgresModelRegistry(ModelRegistryContract):
    @pytest.fixture
    def registry(self, postgresql):
        return SqlModelRegistry(postgresql)


class TestMemoryModelUses(ModelUsesContract):
    @pytest.fixture
    def uses(self):
        return MemoryModelUses()


class TestSqliteModelUses(ModelUsesContract):
    @pytest.fixture
    def uses(self, sqlite):
        return SqlModelUses(sqlite)


class TestPostgresModelUses(ModelUsesContract):
    @pytest.fixture
    def uses(self, postgresql):
        return SqlModelUses(postgresql)
