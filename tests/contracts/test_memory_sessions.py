"""The store in memory keeps the contract."""

import pytest

from pluggably.adapters.memory.sessions import MemorySessionStore

from .audit_trail import AuditTrailContract
from .retention_store import RetentionStoreContract
from .session_store import SessionStoreContract


class TestMemorySessionStore(SessionStoreContract, RetentionStoreContract, AuditTrailContract):
    @pytest.fixture
    def store(self) -> MemorySessionStore:
        return MemorySessionStore()

    @pytest.fixture
    def restart(self, store):
        async def restart() -> MemorySessionStore:
            store.restart()
            return store

        return restart
