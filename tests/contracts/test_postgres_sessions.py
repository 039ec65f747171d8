"""The store on PostgreSQL keeps the contract."""

import pytest

from pluggably.adapters.sessions.postgres_store import postgres_sessions

from .audit_trail import AuditTrailContract
from .retention_store import RetentionStoreContract
from .session_store import SessionStoreContract


class TestPostgresSessions(SessionStoreContract, RetentionStoreContract, AuditTrailContract):
    @pytest.fixture
    def stores(self, database, tmp_path):
        return [postgres_sessions(database, tmp_path)]

    @pytest.fixture
    async def store(self, stores):
        yield stores[0]
        await stores[-1].close()

    @pytest.fixture
    def restart(self, stores, database, tmp_path):
        async def restart():
            await stores[-1].close()
            stores.append(postgres_sessions(database, tmp_path))
            return stores[-1]

        return restart
