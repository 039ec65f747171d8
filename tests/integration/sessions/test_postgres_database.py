"""What a gateway asks of its PostgreSQL database before it serves, and what it makes of one that is away."""

import asyncio
import threading

import psycopg
import pytest
from psycopg.sql import SQL, Composed, Identifier

from pluggably.adapters.database.migrations import migrations
from pluggably.adapters.sessions.postgres import SessionDatastore
from pluggably.adapters.sessions.postgres_store import migrate, postgres_sessions
from pluggably.domain.errors import GatewayError, StoreUnavailable
from pluggably.domain.session import Session, erase

from ...contracts.session_store import a_stored_session, key_use
from ...session_builders import ALICE, NOON, opened

EVERYTHING = [it.name for it in migrations()]
TABLES = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'"


def run(url: str, statement: str | Composed) -> list[tuple]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def empty(postgres):
    """A database that was not migrated."""
    with postgres.database(template="template1") as url:
        yield url


def test_migrating_twice_changes_nothing(empty):
    assert migrate(empty) == EVERYTHING
    made = sorted(run(empty, TABLES)), run(empty, "SELECT * FROM pluggably_migrations")
    assert migrate(empty) == []
    assert (sorted(run(empty, TABLES)), run(empty, "SELECT * FROM pluggably_migrations")) == made


def test_of_several_who_migrate_at_once_one_does_it(empty):
    done = []
    threads = [threading.Thread(target=lambda: done.append(migrate(empty))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == [[], [], [], EVERYTHING]


def test_a_migration_that_fails_leaves_nothing_behind(empty):
    run(empty, "CREATE TABLE gateway_processes (in_the_way integer)")
    with pytest.raises(GatewayError):
        migrate(empty)
    assert {table for table, *_ in run(empty, TABLES)} == {"gateway_processes"}


def test_a_database_without_tables_is_refused_and_the_remedy_said(empty, tmp_path):
    with pytest.raises(GatewayError, match="run `pluggably migrate`"):
        postgres_sessions(empty, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_database_that_lacks_a_migration_is_refused_and_the_remedy_said(database, tmp_path):
    run(database, "DELETE FROM pluggably_migrations WHERE number = 1")
    with pytest.raises(GatewayError, match=r"0001_sessions: run `pluggably migrate`"):
        postgres_sessions(database, tmp_path)


def test_a_database_that_a_newer_version_migrated_is_refused(database, tmp_path):
    run(database, "INSERT INTO pluggably_migrations (number, name) VALUES (9999, '9999_from_the_future')")
    for use in (lambda: postgres_sessions(database, tmp_path), lambda: migrate(database)):
        with pytest.raises(GatewayError, match="newer version"):
            use()


@pytest.mark.parametrize("url", ["postgresql://u:hunter2@[::1/x", "host=x nonsense=hunter2"])
def test_a_url_that_is_none_is_not_repeated(tmp_path, url):
    for use in (lambda: postgres_sessions(url, tmp_path), lambda: migrate(url)):
        with pytest.raises(GatewayError, match="connection URL") as refused:
            use()
        assert "hunter2" not in str(refused.value)
        assert refused.value.__suppress_context__


def test_a_database_that_cannot_be_reached_is_said_to_be_away(tmp_path):
    url = f"postgresql://u:hunter2@/x?host={tmp_path}"
    for use in (lambda: postgres_sessions(url, tmp_path), lambda: migrate(url)):
        with pytest.raises(StoreUnavailable) as refused:
            use()
        assert "hunter2" not in str(refused.value)


async def test_hosts_with_different_master_keys_do_not_share_a_database(database, tmp_path):
    first = postgres_sessions(database, tmp_path / "a")
    session = await a_stored_session(first)
    for key in ({}, {"master_key": "ab" * 32}):
        with pytest.raises(GatewayError, match="master key"):
            postgres_sessions(database, tmp_path / "b", **key)
    second = postgres_sessions(database, tmp_path / "b", master_key=(tmp_path / "a" / "master.key").read_bytes().hex())
    assert await second.load(session.id) == session
    await first.close()
    await second.close()


async def test_what_is_committed_is_on_the_disk_whatever_the_database_has_for_a_default(postgres, database):
    name = database.partition("?")[0].rpartition("/")[2]
    for chosen, used in (("off", "on"), ("remote_apply", "remote_apply")):
        postgres.run(f"ALTER DATABASE {name} SET synchronous_commit = {chosen}")
        datastore = SessionDatastore(database, connections=1)
        assert datastore.run("SHOW synchronous_commit") == [{"synchronous_commit": used}]
        datastore.close()


async def test_conflicts_spoil_no_connection(database, tmp_path):
    store = postgres_sessions(database, tmp_path)
    for number in range(20):
        tries = (
            store.append(
                Session(id=f"ses_{number}_{rival}"),
                (opened(),),
                ALICE,
                key_use=key_use(f"k{number}", session_id=f"ses_{number}_{rival}"),
            )
            for rival in range(6)
        )
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert sorted(type(it).__name__ for it in outcomes) == ["IdempotencyInProgress"] * 5 + ["Session"]
    await store.close()


async def test_of_an_erased_session_no_key_title_or_label_is_kept(database, tmp_path):
    store = postgres_sessions(database, tmp_path)
    session = await a_stored_session(store, title="Trip", metadata={"k": "v"})
    assert len(run(database, "SELECT * FROM session_labels")) == 1
    await store.erase(session, *erase(session, at=NOON), ALICE)
    await store.close()
    assert run(database, "SELECT wrapped FROM session_keys") == [(None,)]
    assert run(database, "SELECT status, sealed FROM session_list") == [("erased", b"")]
    assert run(database, "SELECT * FROM session_labels") == []


async def test_an_erasure_that_a_crash_cut_short_is_finished_at_the_next_start(database, tmp_path):
    store = postgres_sessions(database, tmp_path)
    session = await a_stored_session(store)
    await store.append(session, erase(session, at=NOON), ALICE)  # all that a process did before it ended
    await store.close()
    await postgres_sessions(database, tmp_path).close()
    assert run(database, "SELECT wrapped FROM session_keys") == [(None,)]


async def test_no_content_is_readable_in_the_database(database, tmp_path):
    store = postgres_sessions(database, tmp_path)
    await a_stored_session(store, title="SECRET title", metadata={"k": "SECRET"}, instructions="SECRET too", turns=1)
    await store.close()
    for table, *_ in set(
        run(database, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    ):
        rows = run(database, SQL("SELECT * FROM {}").format(Identifier(table)))
        assert not any(b"SECRET" in (it if isinstance(it, bytes) else str(it).encode()) for row in rows for it in row)
