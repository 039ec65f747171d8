"""The audit trail in real databases: one for all processes, sealed, and in whole exports."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.domain.errors import GatewayError, NotFound
from pluggably.entrypoints.composition.audit import open_export_reader

from ...contracts.audit_trail import ADA, a_read, expect_chain, whole
from ...contracts.session_store import a_stored_session
from .exports import exported, stream_of
from .exports import stored as stored_streams
from .test_exports import everything, streams_in
from .test_exports import exports as exports  # noqa: PLC0414 - a fixture


def on_disk(folder, statement, file="sessions"):
    with closing(sqlite3.connect(folder / f"{file}.sqlite")) as connection, connection:
        return connection.execute(statement).fetchall()


async def test_processes_on_one_database_have_one_trail(database, tmp_path):
    stores = [postgres_sessions(database, tmp_path) for _ in range(3)]
    await asyncio.gather(*(it.trail.record(a_read(n), ADA) for n in range(8) for it in stores))
    entries = await whole(stores[0].trail)
    assert sorted(it.read.session_id for it in entries) == sorted(f"ses_{n}" for n in range(8) for _ in stores)
    expect_chain(entries)
    assert await whole(stores[1].trail) == entries
    for store in stores:
        await store.close()


async def test_what_was_asked_is_not_readable_on_the_disk_and_who_asked_is(tmp_path):
    store = sqlite_sessions(tmp_path)
    await store.trail.record(a_read(session_id="ses_SECRET", asked={"metadata": "SECRET"}), ADA)
    await store.close()
    stored = b"".join(it.read_bytes() for it in tmp_path.iterdir())
    assert b"SECRET" not in stored
    assert b'"actor":"ada"' in stored


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM stored_events WHERE originator_version = 2",
        "UPDATE stored_events SET state = zeroblob(200) WHERE originator_version = 2",
        "UPDATE stored_events SET originator_version = 4 WHERE originator_version = 2",
        "UPDATE stored_events SET topic = 'session.reset.v1' WHERE originator_version = 2",
    ],
)
async def test_a_trail_that_was_altered_is_not_shown_as_if_it_were_whole(tmp_path, change):
    store = sqlite_sessions(tmp_path)
    for number in range(3):
        await store.trail.record(a_read(number), ADA)
    on_disk(tmp_path, change)
    with pytest.raises(GatewayError, match=r"2 of .*audit"):
        await store.trail.entries()
    await store.close()


async def test_a_whole_export_ends_with_the_trail_and_the_trail_with_the_export(store, exports):
    await a_stored_session(store, "ses_a", turns=1)
    await store.trail.record(a_read(), ADA)
    lines = await everything(exports)
    assert streams_in(lines) == [("ses_a", 3, False), ("audit", 2, False)]
    assert b'"what":"export"' in lines[-2]
    with pytest.raises(NotFound, match="trail"):
        open_export_reader().replay(lines, "audit")


async def test_an_altered_line_of_the_trail_is_found_by_the_check_of_an_export(tmp_path):
    streams = await stored_streams(tmp_path)
    store = sqlite_sessions(tmp_path)
    await store.trail.record(a_read(asked={"version": "3"}), ADA)
    head = await store.trail_head()
    streams += (await stream_of(store, head),)
    await store.close()
    lines = exported(streams, tmp_path)
    lines[-2] = lines[-2].replace(b'"version":"3"', b'"version":"4"')
    fault = open_export_reader().examine(lines).fault
    assert (fault.session_id, fault.version, fault.what) == ("audit", 1, "has content that is not what was recorded")


async def test_with_its_key_gone_nothing_more_is_recorded(tmp_path):
    store = sqlite_sessions(tmp_path)
    await store.trail.record(a_read(1), ADA)
    on_disk(tmp_path, "UPDATE keys SET wrapped = NULL WHERE session_id = 'audit'", file="keys")
    with pytest.raises(GatewayError, match="key of the audit trail is gone"):
        await store.trail.record(a_read(2), ADA)
    assert len(on_disk(tmp_path, "SELECT * FROM stored_events")) == 1
    await store.close()
