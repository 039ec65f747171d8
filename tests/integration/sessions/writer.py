"""A process that appends until it is killed; it says on stdout what is stored: a session's id and its version.

Its first line is `ready`. Run as `python -m tests.integration.sessions.writer <folder> <round>`.
"""

import asyncio
import sys
from pathlib import Path

from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.adapters.sessions.store import EventSessionStore
from pluggably.domain.session import Session

from ...session_builders import ALICE, answer, ask, opened


async def converse(store: EventSessionStore, session_id: str) -> None:
    session = await store.append(Session(id=session_id), (opened(),), ALICE)
    while True:
        for decide in (ask, answer):
            session = await store.append(session, decide(session), ALICE)
            print(session.id, session.version, flush=True)


async def main(folder: Path, number: str) -> None:
    store = sqlite_sessions(folder)
    print("ready", flush=True)
    await asyncio.gather(*(converse(store, f"ses_{number}_{name}") for name in "abc"))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
