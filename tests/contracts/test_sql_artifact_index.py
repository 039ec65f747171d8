import pytest

from pluggably.adapters.artifacts.index_postgres import postgres_index
from pluggably.adapters.artifacts.index_sqlite import sqlite_index

from .artifact_index import ArtifactIndexContract


class TestSqliteArtifactIndex(ArtifactIndexContract):
    @pytest.fixture
    async def index(self, tmp_path):
        index = sqlite_index(tmp_path)
        yield index
        await index.close()


class TestPostgresArtifactIndex(ArtifactIndexContract):
    @pytest.fixture
    async def index(self, database):
        index = postgres_index(database)
        yield index
        await index.close()
