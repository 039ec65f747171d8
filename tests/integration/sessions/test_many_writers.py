"""Several gateway processes on one database: whoever reads its log by notification ids misses nothing."""

import asyncio
from collections import defaultdict
from contextlib import ExitStack

import psycopg
from psycopg.rows import namedtuple_row

from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.domain.errors import VersionConflict

from ...contracts.session_store import a_stored_session
from ...session_builders import ALICE, answer, ask
from .conversations import expect_whole, lost, said_in
from .writer import Writer

PROCESSES = 8
EVENTS_OF_EACH = 60
BATCH = 7
READ_ON = """
SELECT notification_id, originator_id, originator_version FROM stored_events
WHERE notification_id > %s ORDER BY notification_id LIMIT %s"""
READ_ALL = "SELECT notification_id, originator_id, originator_version FROM stored_events ORDER BY notification_id"
INSERT = "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (%s, %s, '', '')"


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url, autocommit=True, row_factory=namedtuple_row)


def read_on(log: psycopg.Connection, seen: list) -> bool:
    """Read as an integration would: on from the last id that it saw, in batches, never looking back."""
    batch = log.execute(READ_ON, (seen[-1].notification_id if seen else 0, BATCH)).fetchall()
    seen += batch
    return bool(batch)


def versions_of(seen: list) -> dict[str, list[int]]:
    """Which versions were seen of each session, in the order in which they were."""
    versions = defaultdict(list)
    for event in seen:
        versions[event.originator_id].append(event.originator_version)
    return versions


async def test_a_reader_of_the_log_misses_nothing_that_many_processes_write(on_postgres):
    seen: list = []
    with ExitStack() as running, connect(on_postgres.url) as log:
        writers = [running.enter_context(Writer(str(number), on_postgres)) for number in range(PROCESSES)]
        while min(events_of(seen, number) for number in range(PROCESSES)) < EVENTS_OF_EACH:
            read_on(log, seen)
            assert all(writer.lives for writer in writers)
        acknowledged = [words for writer in writers for words in writer.kill()]
    on_postgres.let_time_pass()
    with connect(on_postgres.url) as log:
        while read_on(log, seen):
            pass
        assert seen == log.execute(READ_ALL).fetchall()
    store = on_postgres.open()
    assert await lost(store, acknowledged) == set()
    for session_id, versions in versions_of(seen).items():
        assert versions == list(range(1, (await expect_whole(store, session_id)).version + 1))
    await store.close()


def events_of(seen: list, number: int) -> int:
    return sum(event.originator_id.startswith(f"ses_{number}_") for event in seen)


def test_the_same_reader_misses_what_is_written_without_the_lock(database):
    """Proves that the test above would notice."""
    seen: list = []
    with connect(database) as log, psycopg.connect(database) as slow, psycopg.connect(database) as fast:
        slow.execute(INSERT, ("ses_slow", 1))
        fast.execute(INSERT, ("ses_fast", 1))
        for writer in (fast, slow):
            writer.commit()
            read_on(log, seen)
        assert [event.originator_id for event in log.execute(READ_ALL)] == ["ses_slow", "ses_fast"]
    assert [event.originator_id for event in seen] == ["ses_fast"]


async def test_processes_that_write_one_session_never_take_each_others_place(database, tmp_path):
    stores = [postgres_sessions(database, tmp_path) for _ in range(4)]
    session = await a_stored_session(stores[0])

    async def take_part(number: int) -> list[str]:
        """Ask or answer, whichever is next, until ten attempts were successful."""
        said: list[str] = []
        while len(said) < 10:
            words = f"{number} {len(said)}"
            seen = await stores[number].load(session.id)
            try:
                await stores[number].append(seen, (answer if seen.active_turn else ask)(seen, words), ALICE)
            except VersionConflict:
                continue
            said.append(words)
        return said

    said = await asyncio.gather(*(take_part(number) for number in range(4)))
    whole = await expect_whole(stores[0], session.id)
    assert whole.version == 41
    assert said_in(whole) == {words for it in said for words in it}
    for store in stores:
        await store.close()
