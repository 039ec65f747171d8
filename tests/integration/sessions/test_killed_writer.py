"""`kill -9` amid appends: what was acknowledged is there, what is there verifies, and the service goes on with it."""

import asyncio
import subprocess
import sys
from pathlib import Path

from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.adapters.sessions.store import EventSessionStore
from pluggably.domain.session import fold, interrupt

from ...session_builders import ALICE, NOON, answer, ask

LINES_BEFORE_THE_KILL = (1, 7, 20, 60, 150)


async def killed_after(lines: int, folder: Path, number: int) -> dict[str, int]:
    """Let a writer say that many lines, kill it, and return the last version that it acknowledged of each session."""
    command = (sys.executable, "-m", "tests.integration.sessions.writer", str(folder), str(number))
    writer = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    try:
        assert await writer.stdout.readline() == b"ready\n"
        said = [await writer.stdout.readline() for _ in range(lines)]
    finally:
        writer.kill()
    said += (await writer.stdout.read()).splitlines(keepends=True)
    await writer.wait()
    whole = [line.decode().split() for line in said if line.endswith(b"\n")]
    return {session_id: int(version) for session_id, version in whole}


async def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path):
    acknowledged: dict[str, int] = {}
    for number, lines in enumerate(LINES_BEFORE_THE_KILL):
        acknowledged |= await killed_after(lines, tmp_path, number)
        store = sqlite_sessions(tmp_path)
        try:
            for session_id, version in acknowledged.items():
                await expect_whole(store, session_id, version)
            await expect_to_go_on(store)
        finally:
            await store.close()
    assert len(acknowledged) >= len(LINES_BEFORE_THE_KILL)


async def expect_whole(store: EventSessionStore, session_id: str, acknowledged: int) -> None:
    session, history = await store.load(session_id), await store.history(session_id)
    assert session.version >= acknowledged
    assert [it.version for it in history] == list(range(1, session.version + 1))
    assert fold(session_id, [it.event for it in history]) == session
    found = await store.verify(session_id)
    assert (found.valid, found.events) == (True, session.version)


async def expect_to_go_on(store: EventSessionStore) -> None:
    """Turns that the kill cut off can be ended, and the next one begun."""
    for session_id in await store.active():
        session = await store.load(session_id)
        session = await store.append(session, interrupt(session, at=NOON), ALICE)
        session = await store.append(session, ask(session), ALICE)
        await store.append(session, answer(session), ALICE)
    assert await store.active() == ()
