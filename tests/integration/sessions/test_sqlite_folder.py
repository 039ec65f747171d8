"""What the files of the sessions hold, who may read them, and what destroying a key does."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing

import pytest

from pluggably.adapters.sessions.sqlite import SqliteSessionRecorder
from pluggably.adapters.sessions.sqlite_store import open_keyring, sqlite_sessions
from pluggably.adapters.sessions.store import EventSessionStore
from pluggably.application.ports import SessionQuery
from pluggably.domain.errors import Draining, GatewayError, NotFound
from pluggably.domain.session import Session, erase

from ...contracts.session_store import a_stored_session, an_eventful_session
from ...session_builders import ALICE, ask, at, opened

DURABLE = {"journal_mode": "wal", "synchronous": 2}  # 2 is FULL

SECOND_PROCESS = """
import sys
from pathlib import Path
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
sqlite_sessions(Path(sys.argv[1]))
"""


@pytest.fixture
def keyring_in():
    """Opens the keys of a folder, beside whoever uses it."""
    with ExitStack() as opened:
        yield lambda folder: open_keyring(folder, opened)


@pytest.fixture
async def reopened(tmp_path):
    """Opens the same sessions anew, having closed them."""
    stores = [sqlite_sessions(tmp_path)]

    async def reopen() -> EventSessionStore:
        await stores[-1].close()
        stores.append(sqlite_sessions(tmp_path))
        return stores[-1]

    yield reopen
    await stores[-1].close()


async def a_second_process(folder) -> tuple[int, bool]:
    """Its return code, and whether it said that the sessions are in use."""
    command = (sys.executable, "-c", SECOND_PROCESS, str(folder))
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    _, said = await process.communicate()
    return process.returncode, b"Another process uses these sessions" in said


def destroy_key(folder, session_id: str) -> None:
    with ExitStack() as opened:
        open_keyring(folder, opened).destroy(session_id)


async def test_sessions_are_there_again_after_a_restart(reopened):
    session = await an_eventful_session(await reopened())
    store = await reopened()
    assert await store.load(session.id) == session
    assert (await store.find(SessionQuery(owner="alice"))).sessions[0].title == session.title


async def test_no_content_is_readable_in_the_events_file(reopened, tmp_path):
    await a_stored_session(await reopened(), title="SECRET title", metadata={"k": "SECRET"}, instructions="SECRET too")
    await reopened()
    stored = b"".join(path.read_bytes() for path in tmp_path.glob("sessions.sqlite*"))
    assert b"SECRET" not in stored
    assert b"session.opened.v3" in stored
    assert b"alice" in stored  # the provenance is for audit, also after an erasure


async def test_only_the_owner_of_the_process_may_read_the_keys(reopened, tmp_path):
    await a_stored_session(await reopened())
    assert {name: (tmp_path / name).stat().st_mode & 0o777 for name in ("keys.sqlite", "master.key")} == {
        "keys.sqlite": 0o600,
        "master.key": 0o600,
    }


async def test_a_session_whose_key_is_destroyed_is_gone_and_its_chain_still_verifies(reopened, tmp_path):
    store = await reopened()
    erased = await a_stored_session(store, "ses_a", turns=2, at=at(9))
    kept = await a_stored_session(store, "ses_b", turns=1)
    before = await store.verify(erased.id)
    destroy_key(tmp_path, erased.id)

    assert await store.verify(erased.id) == before
    refused = (store.append(erased, ask(erased), ALICE), store.load(erased.id), store.history(erased.id))
    for call in refused:
        with pytest.raises(NotFound):
            await call
    page = await store.find(SessionQuery(owner="alice", limit=1))
    assert ([it.id for it in page.sessions], page.has_more) == ([kept.id], False)
    assert await store.load(kept.id) == kept


async def test_a_turn_of_an_erased_session_is_not_left_to_be_ended(reopened, tmp_path):
    store = await reopened()
    for name in ("ses_a", "ses_b"):
        session = await a_stored_session(store, name)
        await store.append(session, ask(session), ALICE)
    destroy_key(tmp_path, "ses_a")
    assert await (await reopened()).active() == ("ses_b",)


def test_a_destroyed_key_is_in_no_file_any_more_and_never_comes_back(keyring_in, tmp_path):
    keyring = keyring_in(tmp_path)
    for number in range(40):
        keyring.create(f"ses_{number}")
    with closing(sqlite3.connect(tmp_path / "keys.sqlite")) as connection:
        wrapped = dict(connection.execute("SELECT session_id, wrapped FROM keys").fetchall())
    for number in range(10, 30):
        keyring.destroy(f"ses_{number}")
    in_files = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert {name for name, key in wrapped.items() if key in in_files} == {
        f"ses_{number}" for number in (*range(10), *range(30, 40))
    }
    keyring.create("ses_10")
    assert keyring.get("ses_10") is None


async def test_every_session_has_a_key_of_its_own(reopened, keyring_in, tmp_path):
    store = await reopened()
    for name in ("ses_a", "ses_b"):
        await a_stored_session(store, name)
    keyring = keyring_in(tmp_path)
    assert keyring.get("ses_a") != keyring.get("ses_b")
    assert {len(keyring.get(name)) for name in ("ses_a", "ses_b")} == {32}


@pytest.mark.parametrize("content", [None, b"", b"short"])
async def test_a_lost_master_key_is_not_replaced_by_a_new_one(tmp_path, content):
    store = sqlite_sessions(tmp_path)
    await a_stored_session(store)
    await store.close()
    (tmp_path / "master.key").unlink()
    if content is not None:
        (tmp_path / "master.key").write_bytes(content)
    with pytest.raises(GatewayError, match="master key"):
        sqlite_sessions(tmp_path)


async def test_another_master_key_opens_nothing(tmp_path):
    store = sqlite_sessions(tmp_path)
    await a_stored_session(store)
    await store.close()
    (tmp_path / "master.key").write_bytes(os.urandom(32))
    store = sqlite_sessions(tmp_path)
    with pytest.raises(GatewayError, match="master key"):
        await store.load("ses_a")
    await store.close()


async def test_a_second_process_is_refused_until_the_first_lets_go(reopened, tmp_path):
    store = await reopened()
    assert await a_second_process(tmp_path) == (1, True)
    await store.close()
    assert await a_second_process(tmp_path) == (0, False)


async def test_a_store_that_failed_to_open_holds_nothing(tmp_path):
    (tmp_path / "keys.sqlite").touch()
    with pytest.raises(GatewayError, match="master key"):
        sqlite_sessions(tmp_path)
    (tmp_path / "keys.sqlite").unlink()
    await sqlite_sessions(tmp_path).close()


async def test_a_file_that_is_no_database_is_an_error_of_ours(tmp_path):
    (tmp_path / "sessions.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(GatewayError, match="cannot be read") as error:
        sqlite_sessions(tmp_path)
    assert str(tmp_path) not in str(error.value)


async def test_a_closed_store_refuses_and_can_be_closed_again(reopened):
    store = await reopened()
    await store.close()
    await store.close()
    with pytest.raises(Draining):
        await store.append(Session(id="ses_a"), (opened(),), ALICE)


async def test_an_append_that_waits_for_the_disk_keeps_nobody_else_waiting(reopened, tmp_path):
    store = await reopened()
    session = await a_stored_session(store)
    with closing(sqlite3.connect(tmp_path / "sessions.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(store.append(session, ask(session), ALICE))
        assert await store.load(session.id) == session
        assert not waiting.done()
        other.execute("ROLLBACK")
    assert await store.load(session.id) in (session, await waiting)


async def test_an_append_whose_caller_went_away_is_stored_whole_or_not_at_all(reopened):
    store = await reopened()
    session = await a_stored_session(store)
    late = [asyncio.create_task(store.append(session, ask(session), ALICE)) for _ in range(3)]
    await asyncio.sleep(0)
    for task in late:
        task.cancel()
    assert all(isinstance(it, asyncio.CancelledError) for it in await asyncio.gather(*late, return_exceptions=True))
    store = await reopened()
    found = await store.verify(session.id)
    assert found.valid
    assert found.events == (await store.load(session.id)).version in (1, 2)


def test_every_connection_has_what_it_commits_on_the_disk(tmp_path):
    recorder = SqliteSessionRecorder(tmp_path / "sessions.sqlite")
    with ExitStack() as held:
        for _ in range(3):
            cursor = held.enter_context(recorder.datastore.transaction(commit=False))
            for name, value in DURABLE.items():
                cursor.execute(f"PRAGMA {name}")
                assert cursor.fetchone()[0] == value
    recorder.close()


async def test_numbers_of_events_are_never_given_twice(reopened, tmp_path):
    await a_stored_session(await reopened(), turns=1)
    with closing(sqlite3.connect(tmp_path / "sessions.sqlite")) as connection, connection:
        connection.execute("DELETE FROM stored_events WHERE notification_id = 3")
    await a_stored_session(await reopened(), "ses_b")
    with closing(sqlite3.connect(tmp_path / "sessions.sqlite")) as connection:
        assert [row[0] for row in connection.execute("SELECT notification_id FROM stored_events")] == [1, 2, 4]


async def test_an_erasure_that_a_crash_cut_short_is_finished_at_the_next_start(tmp_path, reopened):
    store = await reopened()
    session = await a_stored_session(store, title="Trip", turns=1)
    await store.append(session, erase(session, at=at(9)), ALICE)  # all that a process did before it ended
    await reopened()
    with closing(sqlite3.connect(tmp_path / "keys.sqlite")) as keys:
        assert keys.execute("SELECT wrapped FROM keys").fetchall() == [(None,)]


async def test_of_an_erased_session_no_title_is_kept_even_sealed(tmp_path, reopened):
    store = await reopened()
    session = await a_stored_session(store, title="Trip")
    await store.erase(session, *erase(session, at=at(9)), ALICE)
    with closing(sqlite3.connect(tmp_path / "sessions.sqlite")) as database:
        assert database.execute("SELECT status, sealed FROM session_list").fetchall() == [("erased", b"")]
    assert (await (await reopened()).verify("ses_a")).valid


async def test_sessions_of_a_newer_version_are_refused(tmp_path, reopened):
    await (await reopened()).close()
    with closing(sqlite3.connect(tmp_path / "sessions.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(GatewayError, match="newer version"):
        sqlite_sessions(tmp_path)


async def test_a_folder_may_have_its_master_key_from_elsewhere(tmp_path):
    store = sqlite_sessions(tmp_path, master_key="ab" * 32)
    session = await a_stored_session(store)
    await store.close()
    store = sqlite_sessions(tmp_path, master_key="AB" * 32)
    assert await store.load(session.id) == session
    await store.close()
    assert not (tmp_path / "master.key").exists()
    with pytest.raises(GatewayError, match="master key"):
        sqlite_sessions(tmp_path)


@pytest.mark.parametrize("value", ["ab", "xy" * 32, "ab" * 33, "ab" * 32 + "\n"])
def test_a_master_key_that_is_none_is_refused_without_being_shown(tmp_path, value):
    with pytest.raises(GatewayError, match="64 hexadecimal digits") as refused:
        sqlite_sessions(tmp_path, master_key=value)
    assert value not in str(refused.value)
