"""The index of artifacts: shared by several processes in PostgreSQL, by none in SQLite."""

import asyncio
import sqlite3
from datetime import timedelta

import psycopg
import pytest

from pluggably.adapters.artifacts.index import SqlArtifactIndex
from pluggably.adapters.database.postgres import CONNECTIONS, PostgresDatabase
from pluggably.adapters.database.sqlite import SqliteDatabase
from pluggably.adapters.memory.artifacts import MemoryArtifactFiles
from pluggably.domain.artifact import Content
from pluggably.domain.errors import GatewayError, StoreUnavailable
from tests.artifact_world import ALICE, ArtifactWorld
from tests.session_builders import NOON
from tests.unit.domain.test_artifact import an_artifact

A = Content(sha256="a" * 64, size_bytes=1)


@pytest.fixture
async def indexes(database):
    """Two of them, as two processes have them."""
    databases = [PostgresDatabase(database), PostgresDatabase(database)]
    yield [SqlArtifactIndex(it) for it in databases]
    for it in databases:
        await it.close()


async def test_what_one_process_adds_another_one_has(indexes):
    await indexes[0].add(an_artifact(content=A, kept_until=NOON))
    assert await indexes[1].get("art_1") == an_artifact(content=A, kept_until=NOON)
    assert await indexes[1].delete("art_1") is True
    assert await indexes[0].get("art_1") is None


async def test_of_all_processes_one_is_in_with_a_content(indexes):
    inside, most = 0, 0

    async def enter(index) -> None:
        nonlocal inside, most
        async with index.exclusively(A):
            inside += 1
            most = max(most, inside)
            await index.is_needed(A)
            inside -= 1

    await asyncio.gather(*(enter(indexes[number % 2]) for number in range(6 * CONNECTIONS)))
    assert most == 1


async def test_more_contents_than_connections_are_worked_on(indexes):
    async def enter(number: int) -> None:
        content = Content(sha256=f"{number:064}", size_bytes=1)
        async with indexes[0].exclusively(content):
            await indexes[0].add(an_artifact(id=f"art_{number}", content=content))

    await asyncio.gather(*(enter(number) for number in range(5 * CONNECTIONS)))
    assert await indexes[1].get(f"art_{5 * CONNECTIONS - 1}")


async def test_who_keeps_and_deletes_the_same_in_two_processes_loses_nothing(indexes, tmp_path):
    files, kept = MemoryArtifactFiles(), []
    worlds = [ArtifactWorld(tmp_path / str(number), index) for number, index in enumerate(indexes)]
    for world in worlds:
        world.folder.mkdir()
        world.artifacts.files = world.files = files

    async def come_and_go(world) -> None:
        for _ in range(5):
            artifact = await world.keep()
            assert await world.content(artifact) == b"mesh"
            await world.artifacts.delete(artifact.id, ALICE)
        kept.append(await world.keep())

    await asyncio.gather(*(come_and_go(worlds[number % 2]) for number in range(6)))
    assert [await worlds[0].content(artifact) for artifact in kept] == [b"mesh"] * 6
    for world in worlds:
        await world.workspaces.close()
        await world.pictures.close()


async def test_a_process_that_dies_lets_go_of_what_it_held(indexes, database):
    with pytest.raises(StoreUnavailable):
        async with indexes[0].exclusively(A):
            with psycopg.connect(database, autocommit=True) as connection:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
            async with indexes[1].exclusively(A):
                pass
    async with indexes[0].exclusively(A):  # on a new connection
        pass


async def test_a_database_that_is_away_is_said_to_be_and_used_again_when_it_is_back(postgres, database):
    opened = PostgresDatabase(database)
    index = SqlArtifactIndex(opened)
    await index.add(an_artifact(content=A))
    postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert await index.get("art_1")
    await opened.close()
    nowhere = PostgresDatabase("postgresql://u:hunter2@127.0.0.1:1/x")
    with pytest.raises(StoreUnavailable) as refused:
        await SqlArtifactIndex(nowhere).get("art_1")
    assert "hunter2" not in str(refused.value)
    await nowhere.close()


async def test_sqlite_serves_one_process(tmp_path):
    path = tmp_path / "gateway.sqlite"
    database = SqliteDatabase(path)
    with pytest.raises(GatewayError, match="Another process"):
        SqliteDatabase(path)
    await SqlArtifactIndex(database).add(an_artifact(content=A))
    await database.close()
    again = SqliteDatabase(path)
    index = SqlArtifactIndex(again)
    assert list(await index.due(NOON + timedelta(days=1), 1)) == []
    assert await index.get("art_1")
    await again.close()


async def test_a_file_that_a_newer_version_wrote_is_refused(tmp_path):
    path = tmp_path / "gateway.sqlite"
    await SqliteDatabase(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO pluggably_migrations (number, name) VALUES (9999, 'from the future')")
    connection.close()
    with pytest.raises(GatewayError, match="newer version"):
        SqliteDatabase(path)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "gateway.sqlite").write_bytes(b"nonsense" * 1_000)
    with pytest.raises(GatewayError):
        SqliteDatabase(tmp_path / "gateway.sqlite")
