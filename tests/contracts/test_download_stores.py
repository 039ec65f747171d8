import pytest

from pluggably.adapters.database.postgres import PostgresDatabase
from pluggably.adapters.database.sqlite import SqliteDatabase
from pluggably.adapters.downloads.store import SqlDownloadStore
from pluggably.adapters.memory.downloads import MemoryDownloadStore

from .download_store import DownloadStoreContract


class TestMemoryDownloads(DownloadStoreContract):
    @pytest.fixture
    def store(self):
        return MemoryDownloadStore()


class TestSqliteDownloads(DownloadStoreContract):
    @pytest.fixture
    async def store(self, tmp_path):
        database = SqliteDatabase(tmp_path / "gateway.sqlite")
        yield SqlDownloadStore(database)
        await database.close()


class TestPostgresDownloads(DownloadStoreContract):
    @pytest.fixture
    async def store(self, database):
        opened = PostgresDatabase(database)
        yield SqlDownloadStore(opened)
        await opened.close()
