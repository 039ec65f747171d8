"""Sessions in a PostgreSQL database: for any number of gateway processes, on one host or several."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError, PersistenceError

from ...domain.errors import GatewayError, InsufficientStorage, StoreUnavailable
from ..database.connections import parameters_of
from ..database.postgres_migrations import expect_migrated, run_migrations
from ..system import IdSequence
from .keyring import Keyring
from .postgres import PostgresSessionRecorder, SessionDatastore
from .postgres_keys import PostgresKeys, agreed_master_key
from .postgres_log import PostgresLog
from .presence import Presence
from .snapshots import EVERY
from .store import EventSessionStore

_THREADS = 4
_AWAY = (InterfaceError, OperationalError, psycopg.InterfaceError, psycopg.OperationalError)


def postgres_sessions(
    url: str, folder: Path, *, master_key: str | None = None, snapshot_every: int = EVERY
) -> EventSessionStore:
    """Open the sessions of the database. Blocks: to be called before the loop serves.

    Args:
        url: where the database is, as libpq takes it.
        folder: holds `master.key`; it is made if need be.
        master_key: 64 hexadecimal digits; without it, `master.key` holds the key.
        snapshot_every: after how many events of a session there is a snapshot of it.

    Raises:
        GatewayError: the database was not migrated or by a newer version, or has another master key.
        StoreUnavailable: it cannot be reached.
    """
    with ExitStack() as opened, _translated():
        datastore = SessionDatastore(url, connections=_THREADS + 1)  # one for the presence, however busy the store is
        opened.callback(datastore.close)
        with datastore.get_connection() as connection:
            expect_migrated(connection)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        keyring = Keyring(agreed_master_key(datastore, folder, master_key), PostgresKeys(datastore))
        recorder, instance = PostgresSessionRecorder(datastore), IdSequence()("run")
        keyring.destroy(*recorder.erased())  # a process that ended amid an erasure left them behind
        opened.callback(Presence(datastore, instance).close)
        return EventSessionStore(
            recorder=recorder,
            log=PostgresLog(datastore),
            keyring=keyring,
            translated=_translated,
            opened=opened.pop_all(),
            instance=instance,
            threads=_THREADS,
            snapshot_every=snapshot_every,
        )


def migrate(url: str) -> Sequence[str]:
    """Make the tables of the database, or bring them up to date; blocks.

    Returns:
        The names of what was done; empty if there was nothing to do.

    Raises:
        GatewayError: a newer version migrated it.
        StoreUnavailable: it cannot be reached.
    """
    with _translated(), psycopg.connect(**parameters_of(url), autocommit=True) as connection:
        return run_migrations(connection)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (PersistenceError, psycopg.Error) as exc:
        reason = exc if isinstance(exc, psycopg.Error) else exc.__cause__
        if isinstance(reason, psycopg.errors.DiskFull):
            raise InsufficientStorage(detail="There is no space left to store the session.") from exc
        if isinstance(exc, _AWAY):
            raise StoreUnavailable from exc
        raise GatewayError(detail="The session database cannot be read or written.") from exc
