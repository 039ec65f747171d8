"""Exports of real stores, to check and to spoil."""

import asyncio
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from pluggably.adapters.audit.exporters import export_lines
from pluggably.adapters.audit.signing import SigningKey
from pluggably.adapters.sessions.sqlite_store import open_keyring, sqlite_sessions
from pluggably.application.audit import SessionRecord

from ...contracts.session_store import a_stored_session, an_eventful_session
from ...session_builders import NOON


async def stored(folder: Path) -> tuple[SessionRecord, ...]:
    """`ses_a` has every kind of event, `ses_b` five events; `ses_c` is erased."""
    store = sqlite_sessions(folder)
    try:
        await an_eventful_session(store, "ses_a")
        await a_stored_session(store, "ses_b", turns=2)
        await a_stored_session(store, "ses_c", turns=1)
    finally:
        await store.close()
    with ExitStack() as opened:
        open_keyring(folder, opened).destroy("ses_c")
    store = sqlite_sessions(folder)
    try:
        return tuple([await store.record(name) for name in ("ses_a", "ses_b", "ses_c")])
    finally:
        await store.close()


def exported(records: tuple[SessionRecord, ...], folder: Path) -> list[bytes]:
    return export_lines(records, signer=SigningKey(folder), exported_at=NOON).splitlines(keepends=True)


@cache
def an_export() -> tuple[bytes, ...]:
    """The lines of one: the manifest, 7 events, 5 events, 3 events, the seal."""
    with tempfile.TemporaryDirectory() as folder:
        return tuple(exported(asyncio.run(stored(Path(folder))), Path(folder)))
