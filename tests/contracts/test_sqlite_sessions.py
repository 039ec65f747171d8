"""The store on SQLite keeps the contract."""

import pytest

from pluggably.adapters.sessions.sqlite_store import sqlite_sessions

from .audit_trail import AuditTrailContract
from .retention_store import RetentionStoreContract
from .session_store import SessionStoreContract


class TestSqliteSessions(SessionStoreContract, RetentionStoreContract, AuditTrailContract):
    @pytest.fixture
    def stores(self, tmp_path):
        return [sqlite_sessions(tmp_path / "sessions")]

    @pytest.fixture
    async def store(self, stores):
        yield stores[0]
        await stores[-1].close()

    @pytest.fixture
    def restart(self, stores, tmp_path):
        async def restart():
            await stores[-1].close()
            stores.append(sqlite_sessions(tmp_path / "sessions"))
            return stores[-1]

        return restart
