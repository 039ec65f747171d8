"""What a backup has of a moment, whatever happens after it."""

import asyncio
import sqlite3
from contextlib import asynccontextmanager, closing

import psycopg
import pytest
from attrs import evolve, frozen

from pluggably.adapters.backups.folder import LocalDataFolder
from pluggably.adapters.backups.postgres import PostgresTables, tables
from pluggably.adapters.backups.sqlite import SqliteFiles
from pluggably.domain.artifact import Content
from pluggably.domain.errors import GatewayError
from pluggably.entrypoints.composition.backups import open_backup, open_restore
from pluggably.entrypoints.composition.container import Container
from pluggably.entrypoints.settings import Settings
from pluggably.entrypoints.settings.sessions import SessionSettings
from tests.contracts.session_store import a_stored_session
from tests.pictures import encoded

PNG = encoded("PNG")


@pytest.fixture
async def service(tmp_path):
    """What a service has open, with a session and an uploaded picture."""
    settings = Settings(data_dir=str(tmp_path / "data"))
    async with running(settings) as container:
        await a_stored_session(container.session_store())
        yield container


@asynccontextmanager
async def running(settings):
    container = Container(settings=settings)
    await container.artifact_files().open()
    container.url_keys(), container.job_store()
    try:
        yield container
    finally:
        for part in (container.session_store, container.database, container.artifact_files, container.workspaces):
            await part().close()


async def uploaded(container) -> Content:
    async with container.workspaces().open() as room:
        (room / "picture").write_bytes(PNG)
        content = await container.workspaces().content(room / "picture")
        await container.artifact_files().put(room / "picture", content)
    facts = (content.sha256, content.size_bytes)
    await container.database().run(
        ("INSERT INTO artifact_contents (sha256, size_bytes) VALUES (?, ?)", facts),
        (
            "INSERT INTO artifacts (id, owner, media_type, sha256, size_bytes, origin, facts, created_at) "
            "VALUES ('art_1', 'alice', 'image/png', ?, ?, 'uploaded', '{}', 1)",
            facts,
        ),
    )
    return content


def rows_of(path) -> dict[str, int]:
    """How many rows each table of a file has."""
    with closing(sqlite3.connect(path)) as database:
        names = database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        return {name: database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for (name,) in names}  # noqa: S608 - names of our own


@frozen
class Meanwhile:
    """A data folder that is read while something happens."""

    folder: LocalDataFolder
    happens: object

    def checkpoint_files(self):
        return self.folder.checkpoint_files()

    def key_files(self):
        self.happens()
        return self.folder.key_files()

    def note(self, made_at):
        self.folder.note(made_at)


async def test_what_is_written_after_the_moment_is_not_in_it(service, tmp_path):
    folder = tmp_path / "data"
    with SqliteFiles(folder, tmp_path).at_one_moment() as snapshot:
        before = snapshot.totals()
        await a_stored_session(service.session_store(), "ses_b")
        await uploaded(service)
        copied = {name: rows_of(path) for name, path in snapshot.parts()}
    assert copied["sessions/sessions.sqlite"]["stored_events"] == before.events == 1
    assert copied["sessions/keys.sqlite"]["keys"] == 1
    assert copied["gateway.sqlite"]["artifacts"] == before.artifacts == 0


async def test_an_artifact_that_is_deleted_meanwhile_is_forgotten(service, tmp_path):
    content = await uploaded(service)
    path = tmp_path / "data/artifacts/contents" / content.sha256[:2] / content.sha256

    def delete():
        with closing(sqlite3.connect(tmp_path / "data/gateway.sqlite")) as database, database:
            database.execute("DELETE FROM artifacts")
        path.unlink()

    async with open_backup(service.settings(), tmp_path / "copy.tar") as backup:
        made = await evolve(backup, folder=Meanwhile(backup.folder, delete)).make()
    assert (made.manifest.gone, made.manifest.totals.artifacts) == ((content.sha256,), 0)
    async with open_restore(Settings(data_dir=str(tmp_path / "new")), tmp_path / "copy.tar") as restore:
        await restore.carry_out()
    with closing(sqlite3.connect(tmp_path / "new/gateway.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM artifacts").fetchone() == (0,)


async def test_a_file_that_an_artifact_has_lost_is_no_whole_backup(service, tmp_path):
    content = await uploaded(service)
    (tmp_path / "data/artifacts/contents" / content.sha256[:2] / content.sha256).unlink()
    with pytest.raises(GatewayError, match="has lost the content"):
        async with open_backup(service.settings(), tmp_path / "copy.tar") as backup:
            await backup.make()
    assert not (tmp_path / "copy.tar").exists()


async def test_a_restore_that_is_cancelled_leaves_nothing(service, tmp_path):
    async with open_backup(service.settings(), tmp_path / "copy.tar") as backup:
        await backup.make()
    async with open_restore(Settings(data_dir=str(tmp_path / "new")), tmp_path / "copy.tar") as restore:

        @asynccontextmanager
        async def opened():
            raise asyncio.CancelledError
            yield

        restore.opened = opened
        with pytest.raises(asyncio.CancelledError):
            await restore.carry_out()
    assert list((tmp_path / "new").iterdir()) == []


def test_every_table_of_the_database_is_in_a_backup(database, tmp_path):
    with psycopg.connect(database) as connection:
        there = {it for (it,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}
    assert set(tables()) == there - {"pluggably_migrations", "gateway_processes"}
    with PostgresTables(database, tmp_path).at_one_moment() as snapshot:
        assert [name for name, _ in snapshot.parts()] == list(tables())


async def test_a_master_key_that_is_another_one_is_found_before_it_is_too_late(service, tmp_path, monkeypatch):
    async with open_backup(service.settings(), tmp_path / "copy.tar") as backup:
        await backup.make()
    monkeypatch.setenv("MASTER_KEY", "cd" * 32)
    other = Settings(data_dir=str(tmp_path / "new"), sessions=SessionSettings(master_key_env="MASTER_KEY"))
    async with open_restore(other, tmp_path / "copy.tar") as restore:
        with pytest.raises(GatewayError, match="this is not its master key"):
            await restore.carry_out()
    assert list((tmp_path / "new").iterdir()) == []
