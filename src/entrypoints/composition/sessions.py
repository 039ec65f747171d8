"""What stands behind the ports of sessions, for the composition root; each adapter is imported when it is built."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from ...application.audit_trail import AuditTrail
from ...application.ports import SessionStore
from ...domain.retention import RetentionPolicy
from ..settings import Settings, SettingsError
from .environment import database_url, secret
from .plugins import load_adapter

STORES = ("sqlite", "postgres", "memory")


def memory() -> SessionStore:
    """Sessions that end with the process."""
    from ...adapters.memory.sessions import MemorySessionStore

    return MemorySessionStore()


def sqlite(settings: Settings) -> SessionStore:
    """Sessions in the data folder."""
    from ...adapters.sessions.sqlite_store import sqlite_sessions

    return sqlite_sessions(settings.data_path / "sessions", master_key=_master_key(settings))


def postgres(settings: Settings) -> SessionStore:
    """Sessions in a database that processes share."""
    with postgres_installed():
        from ...adapters.sessions.postgres_store import postgres_sessions

    folder = settings.data_path / "sessions"
    return postgres_sessions(database_url(settings), folder, master_key=_master_key(settings))


@contextmanager
def postgres_installed() -> Iterator[None]:
    """Say what to install if it is not there.

    Raises:
        SettingsError: the driver cannot be imported.
    """
    try:
        yield
    except ImportError as error:
        raise SettingsError(
            detail="sessions.store = 'postgres' needs PostgreSQL's driver: pip install 'pluggably[postgres]'."
        ) from error


def _master_key(settings: Settings) -> str | None:
    variable = settings.sessions.master_key_env
    return secret(variable, "The session store takes its master key") if variable else None


def other(settings: Settings) -> SessionStore:
    """Sessions in a store from outside."""
    store: SessionStore = load_adapter(settings.sessions.store, "sessions.store", STORES)(settings.data_path)
    return store


def retention_policy(settings: Settings) -> RetentionPolicy:
    """How long sessions and their state tokens are kept."""
    wanted = settings.sessions
    return RetentionPolicy(
        audit_days=None if wanted.audit_days < 0 else wanted.audit_days, token_days=wanted.token_days
    )


def token_life(settings: Settings) -> timedelta:
    """How long a state token can be used."""
    return timedelta(days=settings.sessions.token_days)


def trail(store: Any) -> AuditTrail:
    """Where a store keeps reads on record.

    Raises:
        SettingsError: nowhere.
    """
    if not hasattr(store, "trail"):
        raise SettingsError(detail="sessions.store has no audit trail (`trail`), and reads must not go unrecorded.")
    kept: AuditTrail = store.trail
    return kept


def kind(settings: Settings) -> str:
    """The store of the settings by its name, or `other`."""
    return settings.sessions.store if settings.sessions.store in STORES else "other"
