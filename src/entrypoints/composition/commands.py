"""What commands need that run without the service."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from dependency_injector import providers

from ...application.catalog import Catalog
from ...application.downloads import Downloads
from ...application.imports import Imports
from ...application.keys import Keys
from ..settings import Settings, SettingsError
from . import audit, sessions
from .container import Container
from .environment import database_url


def open_catalog(settings: Settings) -> Catalog:
    """The catalog alone, for a command that runs without the service, or beside it: nothing is registered in it."""
    catalog: Catalog = Container(settings=settings).catalog_alone()
    return catalog


def migrate_sessions(settings: Settings) -> Sequence[str]:
    """Make the tables of the session database, or bring them up to date.

    Returns:
        The names of what was done; empty if there was nothing to do, as with every store that does it by itself.

    Raises:
        GatewayError: the database cannot be reached, or a newer version migrated it.
    """
    if sessions.kind(settings) != "postgres":
        return ()
    with sessions.postgres_installed():
        from ...adapters.sessions.postgres_store import migrate

    return migrate(database_url(settings))


@asynccontextmanager
async def open_imports(settings: Settings) -> AsyncIterator[Imports]:
    """What brings sessions into the configured store, which is opened for it: on SQLite no service may run.

    Raises:
        GatewayError: the store cannot be opened, is in use, or would forget them at once.
    """
    if sessions.kind(settings) == "memory":
        raise SettingsError(detail="sessions.store = 'memory' forgets everything at once: nothing can be imported.")
    store: Any = Container(settings=settings).session_store()
    try:
        yield Imports(reader=audit.open_export_reader(), store=store)
    finally:
        await store.close()


@asynccontextmanager
async def open_keys(settings: Settings) -> AsyncIterator[Keys]:
    """The API keys, whose database is opened for it: on SQLite no service may run.

    Raises:
        GatewayError: the database cannot be opened, or is in use.
    """
    container = Container(settings=settings)
    database = container.database()
    try:
        yield container.keys()
    finally:
        await database.close()


@asynccontextmanager
async def open_downloads(settings: Settings, into: Path | None = None) -> AsyncIterator[Downloads]:
    """Downloads without the service, which works on them while the context is open.

    Models go `into` that folder, or the first configured one. Nothing remembers these downloads but their partial
    files, by which each goes on when it is asked for again; none are swept, as it is not known here which of them the
    service still wants. Whoever may run a command may read this machine's files, so `file:` sources may be anywhere.
    """
    from ...adapters.memory.downloads import MemoryDownloadStore

    container = Container(settings=settings)
    container.download_store.override(providers.Singleton(MemoryDownloadStore))
    container.catalog.override(container.catalog_alone)
    container.storage_budget.override(container.free_disk)
    container.into.override(providers.Object(into))
    container.file_folders.override(providers.Object([Path("/")]))
    async with AsyncExitStack() as stack:
        stack.push_async_callback(container.download_place().close)
        for source in container.download_sources().values():
            stack.push_async_callback(source.close)
        await stack.enter_async_context(container.download_worker().working())
        yield container.downloads()
