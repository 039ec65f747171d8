"""The store on SQLite keeps the contract."""

import pytest

from pluggably.adapters.sessions.store import SqliteSessionStore

from .session_store import SessionStoreContract


class TestSqliteSessionStore(SessionStoreContract):
    @pytest.fixture
    async def store(self, tmp_path):
        store = SqliteSessionStore(tmp_path / "sessions")
        yield store
        await store.close()
