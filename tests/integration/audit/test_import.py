"""What was exported from one store and imported into another is the same there, and goes on."""

import itertools
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluggably.adapters.audit.exporters import FORMATS
from pluggably.adapters.audit.signing import SigningKey
from pluggably.adapters.memory.sessions import MemorySessionStore
from pluggably.adapters.sessions.postgres_store import postgres_sessions
from pluggably.adapters.sessions.sqlite_store import sqlite_sessions
from pluggably.application.audit import Exports
from pluggably.application.audit_trail import ReadRecorder
from pluggably.application.imports import ImportedSession, Imports, Outcome
from pluggably.application.ports import Provenance, SessionQuery
from pluggably.domain.errors import Conflict, InvalidRequest
from pluggably.domain.generation import Message, Role
from pluggably.domain.model import Modality
from pluggably.domain.session import Session, archive, change, close, erase, fold, fork, hold, reset, tell_fork
from pluggably.entrypoints.composition.audit import open_export_reader

from ...contracts.session_store import a_state, a_stored_session, an_eventful_session
from ...session_builders import ALICE, NOON, a_session, answer, ask, at, fail, opened
from ..sessions.test_random_sessions import CHANGES, JSON, METADATA, PARTS, POLICIES, TEXT
from .test_exports import AUDITOR, EVERYTHING, whole

READER = open_export_reader()
_NUMBERS = itertools.count()

PROVENANCES = st.builds(
    Provenance, actor=TEXT, method=TEXT, request_id=TEXT, causation_id=st.none() | st.just("evt_a_0000001")
)
OPENINGS = st.builds(
    lambda turns, **facts: fork(a_session("ses_o", turns=turns), at=NOON)[0] if turns else opened(**facts),
    turns=st.integers(0, 2),
    title=st.none() | TEXT,
    metadata=METADATA,
    context=POLICIES,
)
DECISIONS = st.one_of(
    st.builds(
        lambda parts, modality, parameters: (
            lambda it: ask(it, Message(Role.USER, parts), modality=modality, parameters=parameters)
        ),
        PARTS,
        st.sampled_from(Modality),
        st.dictionaries(TEXT, JSON, max_size=2),
    ),
    st.builds(lambda parts: lambda it: answer(it, *parts), PARTS),
    st.builds(lambda changes: lambda it: change(it, changes, at=at(1)), CHANGES),
    st.builds(lambda reason: lambda it: hold(it, reason, at=at(2)), TEXT),
    st.sampled_from([fail, lambda it: reset(it, at=at(3)), lambda it: tell_fork(it, a_session("ses_f"), at=at(4))]),
    st.sampled_from([lambda it: close(it, at=at(5)), lambda it: archive(it, at=at(6))]),
)


def opened_store(kind: str, request, folder: Path):
    if kind == "memory":
        return MemorySessionStore()
    if kind == "sqlite":
        return sqlite_sessions(folder)
    return postgres_sessions(request.getfixturevalue("database"), folder)


@pytest.fixture(params=[("sqlite", "postgres"), ("postgres", "sqlite"), ("sqlite", "memory")], ids="-to-".join)
async def stores(request, tmp_path):
    """Where exports come from, and where they go to."""
    pair = [opened_store(kind, request, tmp_path / place) for kind, place in zip(request.param, "ab", strict=True)]
    yield pair
    for store in pair:
        await store.close()


@pytest.fixture
def source(stores):
    return stores[0]


@pytest.fixture
def target(stores):
    return stores[1]


@pytest.fixture
def signer(tmp_path):
    return SigningKey(tmp_path)


async def exported(store, signer, *session_ids: str) -> list[bytes]:
    """Some sessions, or all there is."""
    recorder = ReadRecorder(trail=store.trail, clock=lambda: NOON)
    exports = Exports(archive=store, recorder=recorder, signer=signer, formats=FORMATS, clock=lambda: NOON)
    if session_ids:
        return await whole(await exports.export_several(session_ids, AUDITOR, "req_1", "jsonl"))
    return await whole(await exports.export_all(EVERYTHING, AUDITOR, "req_1", "jsonl"))


async def imported(store, signer, lines: list[bytes]) -> list[ImportedSession]:
    return [it async for it in await Imports(reader=READER, store=store).begin(lines, signer.public_key().raw)]


def outcomes(found: list[ImportedSession]) -> dict[str, Outcome]:
    return {it.id: it.outcome for it in found}


async def lived(store, session_id: str, opening, decisions) -> Session:
    """A session as it is after all decisions that the domain allows."""
    session = Session(id=session_id)
    for decide, provenance in [(lambda _: (opening,), ALICE), *decisions]:
        try:
            events = decide(session)
        except Conflict:
            continue
        session = await store.append(session, events, provenance)
    return session


@settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)
@given(opening=OPENINGS, decisions=st.lists(st.tuples(DECISIONS, PROVENANCES), max_size=10))
async def test_random_sessions_fold_to_the_same_state_and_go_on(source, target, signer, opening, decisions):
    session = await lived(source, f"ses_{next(_NUMBERS)}", opening, decisions)
    lines = await exported(source, signer, session.id)
    assert outcomes(await imported(target, signer, lines)) == {session.id: Outcome.IMPORTED}
    assert await target.load(session.id) == session
    before, after = await source.history(session.id), await target.history(session.id)
    assert [(it.event, it.provenance) for it in after] == [(it.event, it.provenance) for it in before]
    events = [it.event for it in after]
    for version in range(1, session.version + 1):
        assert await target.load(session.id, at_version=version) == fold(session.id, events[:version])
    assert (await target.verify(session.id)).valid
    next_events = fail(session) if session.active_turn else tell_fork(session, a_session("ses_f"), at=at(9))
    assert await target.append(session, next_events, ALICE) == await source.append(session, next_events, ALICE)


async def test_a_whole_export_is_imported_as_far_as_it_has_content(source, target, signer):
    session = await an_eventful_session(source, "ses_a")
    running = await a_stored_session(source, "ses_b", owner="bob", title="Grüße", metadata={"k": "v"})
    running = await source.append(running, ask(running), ALICE)
    gone = await a_stored_session(source, "ses_c")
    await source.erase(gone, *erase(gone, at=NOON), ALICE)
    lines = await exported(source, signer)
    assert outcomes(await imported(target, signer, lines)) == {
        "ses_a": Outcome.IMPORTED,
        "ses_b": Outcome.IMPORTED,
        "ses_c": Outcome.ERASED,
        "audit": Outcome.TRAIL,
    }
    assert [await target.load(it) for it in ("ses_a", "ses_b")] == [session, running]
    (listed,) = (await target.find(SessionQuery(owner="bob", metadata={"k": "v"}))).sessions
    assert (listed.id, listed.title, listed.version) == ("ses_b", "Grüße", 2)
    assert list(await target.trail.entries()) == []


async def test_what_is_there_already_is_skipped_and_what_differs_is_refused(source, target, signer):
    same, moved = await a_stored_session(source, "ses_a", turns=1), await a_stored_session(source, "ses_b", turns=1)
    lines = await exported(source, signer, "ses_a", "ses_b")
    await imported(target, signer, lines)
    moved = await target.append(moved, reset(moved, at=NOON), ALICE)
    await a_stored_session(target, "ses_c")
    again = [*await imported(target, signer, lines), *await imported(source, signer, lines)]
    assert [it.outcome for it in again] == [Outcome.THERE, Outcome.REFUSED, Outcome.THERE, Outcome.THERE]
    assert again[1].reason == "It is here with other events: 4, while the export has 3."
    assert [await target.load(it) for it in ("ses_a", "ses_b")] == [same, moved]


async def test_the_same_events_of_another_author_are_refused(source, target, signer):
    await a_stored_session(source, "ses_a")
    mallory = Provenance(actor="mallory", method="api_key", request_id="req_1")
    await target.append(Session(id="ses_a"), (opened(),), mallory)
    (refused,) = await imported(target, signer, await exported(source, signer, "ses_a"))
    assert refused.outcome is Outcome.REFUSED


async def test_what_was_erased_here_is_not_brought_back(source, target, signer):
    session = await a_stored_session(source, "ses_a")
    lines = await exported(source, signer, "ses_a")
    await imported(target, signer, lines)
    await target.erase(session, *erase(session, at=NOON), ALICE)
    (refused,) = await imported(target, signer, lines)
    assert (refused.outcome, refused.reason) == (Outcome.REFUSED, "It was erased here, and is not brought back.")
    assert (await target.verify("ses_a")).erased


async def test_of_an_export_that_is_not_whole_or_not_trusted_nothing_is_imported(source, target, signer, tmp_path):
    await a_stored_session(source, "ses_a")
    await a_stored_session(source, "ses_b", title="Trip")
    lines = await exported(source, signer, "ses_a", "ses_b")
    spoilt = [*lines[:2], lines[2].replace(b"Trip", b"Trap"), lines[3]]
    with pytest.raises(InvalidRequest, match=r"line 3 \(session ses_b, version 1\) has content"):
        await imported(target, signer, spoilt)
    with pytest.raises(InvalidRequest, match="another key"):
        await imported(target, SigningKey(tmp_path / "other"), lines)
    assert (await target.find(SessionQuery(owner="alice"))).sessions == ()


async def test_a_session_with_an_event_that_is_not_known_is_refused_and_the_others_are_not(source, target, signer):
    await a_stored_session(source, "ses_a")
    await a_stored_session(source, "ses_b")
    lines = await exported(source, signer, "ses_a", "ses_b")

    def read_of_an_older_gateway(record):
        return READER.read(evolve(record, topic="session.opened.v9") if record.session_id == "ses_a" else record)

    older = Imports(reader=evolve(READER, read=read_of_an_older_gateway), store=target)
    found = [it async for it in await older.begin(lines, signer.public_key().raw)]
    assert outcomes(found) == {"ses_a": Outcome.REFUSED, "ses_b": Outcome.IMPORTED}
    assert "session.opened.v9" in found[0].reason


async def test_tokens_stay_behind_and_what_is_told_of_them_does_not(source, target, signer):
    session = await a_stored_session(source, "ses_a")
    session = await source.append(session, ask(session), ALICE)
    held = a_state(session, "st_SECRET")
    (completed,) = answer(session)
    session = await source.append(session, (evolve(completed, state=held.state),), ALICE, state=held)
    lines = await exported(source, signer, "ses_a")
    assert b"st_SECRET" not in b"".join(lines)
    await imported(target, signer, lines)
    assert (await target.load("ses_a")).turns[0].state == held.state
    assert list(await target.states("ses_a")) == []
