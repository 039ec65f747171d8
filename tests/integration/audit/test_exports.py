"""Exports of several sessions: whole, checked on their own, whatever goes on meanwhile."""

import json
from contextlib import aclosing

import pytest

from pluggably.adapters.audit.exporters import FORMATS
from pluggably.adapters.audit.signing import SigningKey
from pluggably.application.audit import BATCH, ArchiveQuery, Exports
from pluggably.application.audit_trail import ReadRecorder
from pluggably.domain.access import Principal, Scope
from pluggably.domain.audit import ReadKind
from pluggably.domain.errors import InsufficientScope, InvalidRequest, NotFound, SessionErased
from pluggably.domain.session import SessionStatus, close, erase, reset
from pluggably.entrypoints.composition.audit import open_export_reader

from ...contracts.session_store import a_stored_session, an_eventful_session
from ...session_builders import ALICE, NOON, at

AUDITOR = Principal(id="ada", method="test", scopes=frozenset({Scope.AUDIT}))
OWNER = Principal(id="alice", method="test")
EVERYTHING = ArchiveQuery()


@pytest.fixture
def exports(store, tmp_path):
    recorder = ReadRecorder(trail=store.trail, clock=lambda: NOON)
    return Exports(archive=store, recorder=recorder, signer=SigningKey(tmp_path), formats=FORMATS, clock=lambda: NOON)


async def whole(export) -> list[bytes]:
    return b"".join([piece async for piece in export]).splitlines(keepends=True)


async def everything(exports, wanted=EVERYTHING, format_name="jsonl") -> list[bytes]:
    return await whole(await exports.export_all(wanted, AUDITOR, "req_1", format_name))


def streams_in(lines: list[bytes]) -> list[tuple[str, int, bool]]:
    """What a whole export has, after a check of it."""
    assert open_export_reader().examine(lines).fault is None
    return [(it["id"], it["events"], it["erased"]) for it in json.loads(lines[0])["sessions"]]


def sessions_in(lines: list[bytes]) -> list[tuple[str, int, bool]]:
    """The same without the audit trail."""
    return [it for it in streams_in(lines) if it[0] != "audit"]


async def an_erased_session(store, session_id):
    session = await a_stored_session(store, session_id, turns=1)
    await store.erase(session, *erase(session, at=NOON), ALICE)


async def test_all_sessions_are_exported_of_every_owner_and_the_erased_ones_without_content(store, exports):
    await an_eventful_session(store, "ses_b")
    await a_stored_session(store, "ses_a", owner="bob", turns=1)
    await an_erased_session(store, "ses_c")
    lines = await everything(exports)
    assert sessions_in(lines) == [("ses_a", 3, False), ("ses_b", 7, False), ("ses_c", 4, True)]
    assert open_export_reader().replay(lines, "ses_b") == await store.load("ses_b")


async def test_an_export_of_nothing_is_whole(exports):
    assert sessions_in(await everything(exports)) == []


async def test_what_happens_after_the_beginning_is_not_in_an_export(store, exports):
    session, idle = await a_stored_session(store, "ses_a"), await a_stored_session(store, "ses_b", turns=1)
    export = await exports.export_all(EVERYTHING, AUDITOR, "req_1", "jsonl")
    lines = await anext(export)
    for it in (session, idle):
        await store.append(it, reset(it, at=NOON), ALICE)
    await a_stored_session(store, "ses_c")
    lines += b"".join(await whole(export))
    assert sessions_in(lines.splitlines(keepends=True)) == [("ses_a", 1, False), ("ses_b", 3, False)]


async def test_what_is_erased_meanwhile_is_told_no_more_and_the_export_breaks_off(store, exports):
    await a_stored_session(store, "ses_a")
    session = await a_stored_session(store, "ses_b", title="SECRET")
    lines = b""
    async with aclosing(await exports.export_all(EVERYTHING, AUDITOR, "req_1", "jsonl")) as export:
        lines += await anext(export)
        await store.erase(session, *erase(session, at=NOON), ALICE)
        with pytest.raises(SessionErased, match=r"ses_b.*export again"):
            async for piece in export:
                lines += piece
    assert b"SECRET" not in lines
    assert "ends before" in open_export_reader().examine(lines.splitlines(keepends=True)).fault.what
    again = await everything(exports)
    assert sessions_in(again) == [("ses_a", 1, False), ("ses_b", 2, True)]


async def test_a_long_session_is_read_piece_by_piece(store, exports):
    session = await a_stored_session(store)
    await store.append(session, reset(session, at=NOON) * (2 * BATCH), ALICE)
    pieces = [it async for it in await exports.export("ses_a", OWNER, "req_1", "jsonl")]
    assert [it.count(b"\n") for it in pieces] == [1, BATCH, BATCH, 1, 1]
    assert sessions_in(b"".join(pieces).splitlines(keepends=True)) == [("ses_a", 2 * BATCH + 1, False)]


async def test_sessions_are_chosen_by_what_the_list_knows(store, exports):
    await a_stored_session(store, "ses_idle")
    early, late = await a_stored_session(store, "ses_early"), await a_stored_session(store, "ses_late")
    await store.append(early, close(early, at=at(3)), ALICE)
    await store.append(late, close(late, at=at(6)), ALICE)
    await an_erased_session(store, "ses_gone")

    async def ids(**wanted) -> list[str]:
        return [it[0] for it in sessions_in(await everything(exports, ArchiveQuery(**wanted)))]

    assert await ids(status=SessionStatus.CLOSED) == ["ses_early", "ses_late"]
    assert await ids(status=SessionStatus.ERASED) == ["ses_gone"]
    assert await ids(active_after=at(3)) == ["ses_late"]
    assert await ids(closed_before=at(6)) == ["ses_early"]
    assert await ids(closed_before=at(7), active_after=at(3), status=SessionStatus.CLOSED) == ["ses_late"]


async def test_sessions_that_are_named_come_once_and_in_that_order(store, exports):
    for name in ("ses_a", "ses_b", "ses_c"):
        await a_stored_session(store, name)
    lines = await whole(await exports.export_several(("ses_c", "ses_a", "ses_c"), AUDITOR, "req_1", "jsonl"))
    assert [it[0] for it in sessions_in(lines)] == ["ses_c", "ses_a"]
    with pytest.raises(NotFound):
        await exports.export_several(("ses_a", "ses_x"), AUDITOR, "req_1", "jsonl")


async def test_only_an_auditor_exports_what_is_not_theirs(store, exports):
    await a_stored_session(store, "ses_a", owner="alice")
    await a_stored_session(store, "ses_b", owner="bob")
    for principal in (OWNER, AUDITOR):
        lines = await whole(await exports.export("ses_a", principal, "req_1", "jsonl"))
        assert sessions_in(lines) == [("ses_a", 1, False)]
    with pytest.raises(NotFound):
        await exports.export("ses_b", OWNER, "req_1", "jsonl")
    with pytest.raises(InsufficientScope):
        await exports.export_all(EVERYTHING, OWNER, "req_1", "jsonl")
    with pytest.raises(InsufficientScope):
        await exports.export_several(("ses_a",), OWNER, "req_1", "jsonl")


async def test_exports_are_recorded_before_their_first_byte(store, exports):
    await a_stored_session(store)
    wanted = ArchiveQuery(status=SessionStatus.OPEN, active_after=at(-1))
    begun = [
        await exports.export("ses_a", OWNER, "req_1", "jsonl"),
        await exports.export_several(("ses_a",), AUDITOR, "req_2", "cloudevents"),
        await exports.export_all(wanted, AUDITOR, "req_3", "jsonl"),
    ]
    entries = await store.trail.entries()
    assert [(it.read.what, it.read.session_id, it.provenance.request_id) for it in entries] == [
        (ReadKind.EXPORT, "ses_a", "req_1"),
        (ReadKind.EXPORT, None, "req_2"),
        (ReadKind.EXPORT, None, "req_3"),
    ]
    assert [it.read.asked for it in entries] == [
        {"format": "jsonl"},
        {"format": "cloudevents", "session": "ses_a"},
        {"format": "jsonl", "status": "open", "active_after": at(-1).isoformat()},
    ]
    for export in begun:
        await export.aclose()


async def test_cloudevents_of_several_sessions_follow_each_other(store, exports):
    await a_stored_session(store, "ses_a", turns=1)
    await an_erased_session(store, "ses_b")
    events = [json.loads(it) for it in await everything(exports, format_name="cloudevents")]
    places = [(it["subject"], it["sessionversion"], "data" in it) for it in events]
    assert places[:-1] == [("ses_a", n, True) for n in (1, 2, 3)] + [("ses_b", n, False) for n in (1, 2, 3, 4)]
    assert (places[-1], events[-1]["type"]) == (("audit", 1, True), "pluggably.audit.read.v1")


async def test_a_format_that_does_not_exist_is_refused_before_anything_is_read(exports):
    with pytest.raises(InvalidRequest, match="format"):
        await exports.export_all(EVERYTHING, AUDITOR, "req_1", "xml")
