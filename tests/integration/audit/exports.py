"""Exports of real stores, to check and to spoil."""

import asyncio
import tempfile
from functools import cache
from pathlib import Path

from attrs import frozen

from pluggably.adapters.audit.exporters import SignedLines
from pluggably.adapters.audit.signing import SigningKey
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.adapters.sessions.store import EventSessionStore
from pluggably.application.audit import EventRecord, StreamHead
from pluggably.domain.session import erase, reset

from ...contracts.session_store import a_stored_session, an_eventful_session
from ...session_builders import ALICE, NOON


@frozen
class Stream:
    """A session's stream as it is stored."""

    head: StreamHead
    events: tuple[EventRecord, ...]


async def stream_of(store: EventSessionStore, stream: str | StreamHead) -> Stream:
    head = await store.head(stream) if isinstance(stream, str) else stream
    return Stream(head, tuple(await store.events(head, after=0, limit=head.events)))


async def stored(folder: Path) -> tuple[Stream, ...]:
    """`ses_a` has every kind of event, `ses_b` five events; `ses_c` is erased."""
    store = sqlite_sessions(folder)
    try:
        await an_eventful_session(store, "ses_a")
        await a_stored_session(store, "ses_b", turns=2)
        session = await a_stored_session(store, "ses_c")
        session = await store.append(session, reset(session, at=NOON), ALICE)
        await store.erase(session, *erase(session, at=NOON), ALICE)
        return tuple([await stream_of(store, name) for name in ("ses_a", "ses_b", "ses_c")])
    finally:
        await store.close()


def exported(streams: tuple[Stream, ...], folder: Path) -> list[bytes]:
    writer = SignedLines(signer=SigningKey(folder), exported_at=NOON)
    pieces = [writer.opening([it.head for it in streams]), *(writer.events(it.events) for it in streams)]
    return b"".join([*pieces, writer.ending()]).splitlines(keepends=True)


@cache
def an_export() -> tuple[bytes, ...]:
    """The lines of one: the manifest, 7 events, 5 events, 3 events, the seal."""
    with tempfile.TemporaryDirectory() as folder:
        return tuple(exported(asyncio.run(stored(Path(folder))), Path(folder)))
