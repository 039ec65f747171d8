import pytest

from pluggably.adapters.artifacts.index import SqlArtifactIndex
from pluggably.adapters.database.postgres import PostgresDatabase
from pluggably.adapters.database.sqlite import SqliteDatabase

from .artifact_index import ArtifactIndexContract


class TestSqliteArtifactIndex(ArtifactIndexContract):
    @pytest.fixture
    async def index(self, tmp_path):
        database = SqliteDatabase(tmp_path / "gateway.sqlite")
        yield SqlArtifactIndex(database)
        await database.close()


class TestPostgresArtifactIndex(ArtifactIndexContract):
    @pytest.fixture
    async def index(self, database):
        opened = PostgresDatabase(database)
        yield SqlArtifactIndex(opened)
        await opened.close()
