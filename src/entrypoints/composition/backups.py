"""What makes a backup and puts one back, over everything that the settings name; for commands, which serve nobody."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from ... import __version__
from ...adapters.system import now
from ...application.artifact_ports import Workspaces
from ...application.backup import Backup
from ...application.backup_ports import Restored
from ...application.restore import Restore
from ...domain.errors import InvalidRequest
from ..settings import Settings, SettingsError
from . import sessions
from .container import Container
from .environment import database_url

if TYPE_CHECKING:
    from ...application.backup_ports import LiveDatabase, NewDatabase


@asynccontextmanager
async def open_backup(settings: Settings, target: Path) -> AsyncIterator[Backup]:
    """What makes a backup, beside the running service or without it.

    Args:
        settings: those of the service.
        target: the file that it will be, or a folder for one that is named by the time.

    Raises:
        GatewayError: what the settings name cannot be copied, or `target` cannot be written.
    """
    from ...adapters.backups.archive import NewTarArchive
    from ...adapters.backups.folder import LocalDataFolder

    _expect_copied(settings)
    begun = now()
    archive = NewTarArchive(target, f"pluggably-{begun:%Y%m%dT%H%M%SZ}.tar")
    async with AsyncExitStack() as stack:
        stack.enter_context(closing(archive))
        room = stack.enter_context(_room(archive.path.parent))
        files, workspaces = Container(settings=settings).artifact_files(), _workspaces(room)
        stack.push_async_callback(files.close)
        stack.push_async_callback(workspaces.close)
        yield Backup(
            database=_live(settings, room),
            folder=LocalDataFolder(settings.data_path, room),
            files=files,
            workspaces=workspaces,
            archive=archive,
            clock=now,
            version=__version__,
        )


@asynccontextmanager
async def open_restore(settings: Settings, source: Path) -> AsyncIterator[Restore]:
    """What puts a backup back where the settings say; no service may run there.

    Raises:
        GatewayError: nothing can be put back there, or `source` is not there.
    """
    from ...adapters.backups.archive import TarArchive
    from ...adapters.backups.folder import NewLocalDataFolder

    _expect_copied(settings)
    folder = NewLocalDataFolder(settings.data_path)
    aside = evolve(settings, data_dir=str(folder.aside))
    async with AsyncExitStack() as stack:
        room = stack.enter_context(_room(settings.data_path))
        files, workspaces = Container(settings=aside).artifact_files(), _workspaces(room)
        stack.push_async_callback(files.close)
        stack.push_async_callback(workspaces.close)
        yield Restore(
            archive=TarArchive(source, room),
            database=_new(aside),
            folder=folder,
            files=files,
            workspaces=workspaces,
            opened=partial(_opened, aside),
        )


def last_backup(settings: Settings) -> datetime | None:
    """Of when the last backup is that was made with this data folder."""
    from ...adapters.backups.folder import NOTE

    try:
        return datetime.fromisoformat((settings.data_path / NOTE).read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[Restored]:
    container = Container(settings=settings)
    store = container.session_store()
    try:
        yield Restored(log_check=container.log_check(), sessions=store, archive=store)
    finally:
        await store.close()


def _expect_copied(settings: Settings) -> None:
    if sessions.kind(settings) not in ("sqlite", "postgres"):
        raise SettingsError(
            detail=f"sessions.store = {settings.sessions.store!r} cannot be copied from here: take an export with "
            "`pluggably audit export --all`, and use the store's own means."
        )


def _live(settings: Settings, room: Path) -> "LiveDatabase":
    if sessions.kind(settings) == "postgres":
        with sessions.postgres_installed():
            from ...adapters.backups.postgres import PostgresTables

        return PostgresTables(database_url(settings), room)
    from ...adapters.backups.sqlite import SqliteFiles

    return SqliteFiles(settings.data_path, room)


def _new(settings: Settings) -> "NewDatabase":
    if sessions.kind(settings) == "postgres":
        with sessions.postgres_installed():
            from ...adapters.backups.postgres import NewPostgresTables

        return NewPostgresTables(database_url(settings))
    from ...adapters.backups.sqlite import NewSqliteFiles

    return NewSqliteFiles(settings.data_path)


def _workspaces(room: Path) -> Workspaces:
    from ...adapters.artifacts.workspaces import LocalWorkspaces

    return LocalWorkspaces(room)


@contextmanager
def _room(folder: Path) -> Iterator[Path]:
    """A folder of our own in that one, for one file at a time."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        room = tempfile.TemporaryDirectory(prefix=".pluggably-", dir=folder)
    except OSError as error:
        raise InvalidRequest(detail=f"{folder} cannot be written to: {error.strerror}.") from error
    with room as path:
        yield Path(path)
