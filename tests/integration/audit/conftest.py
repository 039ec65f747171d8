import pytest

from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request, tmp_path):
    """An empty store of either kind."""
    if request.param == "sqlite":
        opened = sqlite_sessions(tmp_path / "store")
    else:
        opened = postgres_sessions(request.getfixturevalue("database"), tmp_path / "store")
    yield opened
    await opened.close()
