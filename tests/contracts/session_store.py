"""What every `SessionStore` promises; a test module per adapter subclasses this and provides the fixture `store`."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pluggably.application.ports import Provenance, SessionCursor, SessionQuery, SessionStore
from pluggably.domain.errors import IdempotencyInProgress, NotFound, SessionErased, VersionConflict
from pluggably.domain.generation import BackendState, Message, Role
from pluggably.domain.idempotency import IdempotencyKey, KeyUse
from pluggably.domain.model import Modality
from pluggably.domain.session import (
    Changes,
    HeldState,
    Session,
    SessionStatus,
    change,
    close,
    erase,
    fold,
    interrupt,
    issue,
    reset,
)

from ..session_builders import ALICE, EVERY_PART, NOON, after, answer, ask, at, fail, opened

_NUMBERS = itertools.count()
_ON_ONE_STORE = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],  # one class a store
)


async def a_stored_session(store: SessionStore, session_id: str = "ses_a", turns: int = 0, **facts) -> Session:
    session = await store.append(Session(id=session_id), (opened(**facts),), ALICE)
    for number in range(1, turns + 1):
        session = await store.append(session, ask(session, f"Question {number}", when=at(number)), ALICE)
        session = await store.append(session, answer(session, f"Answer {number}", when=at(number)), ALICE)
    return session


def key_use(key: str = "k", *, session_id: str = "ses_a", **facts) -> KeyUse:
    return KeyUse(owner="alice", key=IdempotencyKey(key=key, fingerprint="f"), session_id=session_id, **facts)


def a_state(session: Session, token: str, **facts) -> HeldState:
    """A token for the state after the session's last turn."""
    ordinary = {"provider": "local", "model": "tiny", "expires_at": at(100)}
    return issue(token, session_id=session.id, turn=len(session.turns), **(ordinary | facts))


async def an_eventful_session(store: SessionStore, session_id: str = "ses_a") -> Session:
    """Every kind of event and of part, once at least."""
    session = await a_stored_session(
        store,
        session_id,
        title="Grüße",
        instructions="Be brief.",
        defaults={Modality.TEXT: "tiny", Modality.MODEL_3D: "mesh"},
        metadata={"k": "v"},
    )
    for decide in (
        lambda it: ask(it, Message(Role.USER, EVERY_PART), metadata={"a": "b"}, when=at(1)),
        lambda it: answer(it, *EVERY_PART, when=at(2)),
        lambda it: reset(it, at=at(3)),
        lambda it: ask(it, modality=Modality.IMAGE, when=at(4)),
        lambda it: fail(it, when=at(5)),
        lambda it: close(it, at=at(6)),
    ):
        session = await store.append(session, decide(session), ALICE)
    return session


async def every_page(store: SessionStore, query: dict, limit: int) -> list[str]:
    ids, after = [], None
    while True:
        page = await store.find(SessionQuery(**query, limit=limit, after=after))
        ids += [it.id for it in page.sessions]
        assert len(page.sessions) == limit or not page.has_more
        if not page.has_more:
            return ids
        last = page.sessions[-1]
        after = SessionCursor(last_activity_at=last.last_activity_at, id=last.id)


class SessionStoreContract:
    """Fixtures to provide: `store`, empty and open, and `restart`, which opens it as the next run would."""

    @pytest.fixture
    def store(self) -> SessionStore:
        raise NotImplementedError

    @pytest.fixture
    def restart(self) -> Callable[[], Awaitable[SessionStore]]:
        raise NotImplementedError

    # ── Append and load ───────────────────────────────────────────────────────────────────────────────────────────

    async def test_every_kind_of_event_and_part_comes_back_as_it_was(self, store):
        session = await an_eventful_session(store)
        assert await store.load(session.id) == session
        assert session.version == 7
        assert session.turns[0].messages[0].parts == session.turns[0].output == EVERY_PART

    async def test_appending_returns_the_state_after_the_events(self, store):
        session = await a_stored_session(store)
        requested = ask(session)
        assert await store.append(session, requested, ALICE) == fold(session.id, (opened(), *requested))

    async def test_several_events_are_stored_together(self, store):
        session = await store.append(Session(id="ses_a"), (opened(), *ask(fold("ses_a", (opened(),)))), ALICE)
        assert session.version == 2
        assert await store.load("ses_a") == session

    async def test_appending_nothing_changes_nothing(self, store):
        session = await a_stored_session(store)
        assert await store.append(session, (), ALICE) == session
        assert await store.load(session.id) == session

    @pytest.mark.parametrize("letters", [100_000, 3_000_000])
    async def test_long_words_are_stored_and_hold_up_nobody(self, store, letters):
        session = await a_stored_session(store)
        asked = await store.append(session, ask(session, "x" * letters), ALICE)
        assert await store.load(session.id) == asked
        with pytest.raises(VersionConflict):
            await store.append(session, ask(session, "y" * letters), ALICE)
        assert (await store.append(asked, answer(asked), ALICE)).version == 3

    async def test_a_stale_version_is_a_conflict_and_stores_nothing(self, store):
        stale = await a_stored_session(store)
        current = await store.append(stale, ask(stale), ALICE)
        with pytest.raises(VersionConflict):
            await store.append(stale, ask(stale, "Something else"), ALICE)
        assert await store.load(stale.id) == current
        assert (await store.find(SessionQuery(owner="alice"))).sessions[0].version == current.version

    async def test_all_events_of_a_conflict_are_refused(self, store):
        stale = await a_stored_session(store)
        current = await store.append(stale, (*ask(stale), *fail(fold(stale.id, (opened(), *ask(stale))))), ALICE)
        with pytest.raises(VersionConflict):
            await store.append(stale, reset(stale, at=NOON) * 5, ALICE)
        assert await store.load(stale.id) == current

    async def test_a_version_that_is_not_there_yet_is_a_conflict(self, store):
        session = await a_stored_session(store)
        ahead = fold(session.id, (opened(), *ask(session), *fail(fold("ses_a", (opened(), *ask(session))))))
        with pytest.raises(VersionConflict):
            await store.append(ahead, reset(ahead, at=NOON), ALICE)
        assert await store.load(session.id) == session

    async def test_opening_a_session_twice_is_a_conflict(self, store):
        await a_stored_session(store)
        with pytest.raises(VersionConflict):
            await store.append(Session(id="ses_a"), (opened(owner="mallory"),), ALICE)
        assert (await store.load("ses_a")).owner == "alice"

    async def test_of_several_who_append_at_once_exactly_one_succeeds(self, store):
        session = await a_stored_session(store)
        tries = (store.append(session, ask(session, f"Question {n}"), ALICE) for n in range(8))
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        won = [it for it in outcomes if isinstance(it, Session)]
        assert [type(it) for it in outcomes if it not in won] == [VersionConflict] * 7
        assert await store.load(session.id) == won[0]

    async def test_sessions_are_appended_to_side_by_side(self, store):
        sessions = await asyncio.gather(*(a_stored_session(store, f"ses_{n}", turns=3) for n in range(8)))
        assert [await store.load(f"ses_{n}") for n in range(8)] == sessions

    async def test_an_earlier_version_is_the_session_as_it_was(self, store):
        session = await a_stored_session(store, turns=3)
        events = [it.event for it in await store.history(session.id)]
        for version in range(1, session.version + 1):
            assert await store.load(session.id, at_version=version) == fold(session.id, events[:version])

    @pytest.mark.parametrize("version", [-1, 0, 4])
    async def test_a_version_that_never_was_is_not_found(self, store, version):
        await a_stored_session(store, turns=1)
        with pytest.raises(NotFound):
            await store.load("ses_a", at_version=version)

    async def test_an_unknown_session_is_not_found(self, store):
        await a_stored_session(store)
        for look in (store.load("ses_b"), store.history("ses_b"), store.verify("ses_b")):
            with pytest.raises(NotFound):
                await look

    async def test_it_is_known_whose_a_session_is_and_was(self, store):
        session = await a_stored_session(store, owner="bob")
        assert await store.owner("ses_a") == "bob"
        await store.erase(session, *erase(session, at=NOON), ALICE)
        assert await store.owner("ses_a") == "bob"
        for nobody in ("ses_x", "audit"):
            with pytest.raises(NotFound):
                await store.owner(nobody)

    # ── History and its chain ─────────────────────────────────────────────────────────────────────────────────────

    async def test_the_history_says_who_did_what_and_in_which_request(self, store):
        session = await an_eventful_session(store)
        history = await store.history(session.id)
        assert [it.version for it in history] == list(range(1, session.version + 1))
        assert {it.session_id for it in history} == {session.id}
        assert {it.provenance for it in history} == {ALICE}
        assert all(it.recorded_at.utcoffset() is not None for it in history)
        assert fold(session.id, [it.event for it in history]) == session

    async def test_the_history_can_be_read_in_pieces(self, store):
        session = await a_stored_session(store, turns=3)
        whole = list(await store.history(session.id))
        assert list(await store.history(session.id, after=2)) == whole[2:]
        assert list(await store.history(session.id, after=2, limit=3)) == whole[2:5]
        assert list(await store.history(session.id, after=session.version)) == []
        assert list(await store.history(session.id, after=99)) == []

    async def test_each_event_names_the_hash_of_the_one_before(self, store):
        history = await store.history((await an_eventful_session(store)).id)
        hashes = [it.hash for it in history]
        assert [it.previous_hash for it in history] == ["", *hashes[:-1]]
        assert len(set(hashes)) == len(hashes)
        assert all(len(bytes.fromhex(it)) == 32 for it in hashes)

    async def test_an_untouched_chain_is_valid_and_its_head_is_the_last_hash(self, store):
        session = await an_eventful_session(store)
        found = await store.verify(session.id)
        assert (found.valid, found.events, found.broken_at) == (True, session.version, None)
        assert found.head == (await store.history(session.id))[-1].hash

    # ── Streams that come from elsewhere ──────────────────────────────────────────────────────────────────────────

    async def test_a_stream_is_restored_with_the_author_of_each_event(self, store):
        session = await a_stored_session(store, "ses_a", title="Trip", metadata={"k": "v"})
        bob = Provenance(actor="bob", method="jwt", request_id="req_2", causation_id="evt_a_0000001")
        session = await store.append(session, ask(session), bob)
        recorded = await store.history("ses_a")
        restored = await store.restore("ses_b", recorded)
        assert evolve(restored, id="ses_a") == session
        assert await store.load("ses_b") == restored
        assert [it.provenance for it in await store.history("ses_b")] == [ALICE, bob]
        assert (await store.verify("ses_b")).valid
        found = (await store.find(SessionQuery(owner="alice", metadata={"k": "v"}))).sessions
        assert {(it.id, it.title, it.version) for it in found} == {("ses_a", "Trip", 2), ("ses_b", "Trip", 2)}
        assert (await store.append(restored, fail(restored), ALICE)).version == 3

    async def test_a_stream_is_restored_only_where_there_is_and_was_none(self, store):
        session = await a_stored_session(store, "ses_a")
        recorded = await store.history("ses_a")
        with pytest.raises(VersionConflict):
            await store.restore("ses_a", recorded)
        await store.erase(session, *erase(session, at=NOON), ALICE)
        with pytest.raises(SessionErased):
            await store.restore("ses_a", recorded)

    # ── The list ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def test_the_list_shows_a_session_as_it_is_the_moment_append_returns(self, store):
        session = await an_eventful_session(store)
        (listed,) = (await store.find(SessionQuery(owner="alice"))).sessions
        assert (listed.id, listed.owner, listed.title) == (session.id, "alice", "Grüße")
        assert (listed.status, listed.version, listed.turns) == (SessionStatus.CLOSED, 7, 2)
        assert listed.modalities == (Modality.TEXT, Modality.IMAGE)
        assert listed.metadata == {"k": "v"}
        assert (listed.created_at, listed.last_activity_at) == (NOON, at(6))

    async def test_nobody_sees_the_sessions_of_others(self, store):
        await a_stored_session(store, "ses_a", owner="alice")
        await a_stored_session(store, "ses_b", owner="bob")
        assert [it.id for it in (await store.find(SessionQuery(owner="bob"))).sessions] == ["ses_b"]
        assert (await store.find(SessionQuery(owner="carol"))).sessions == ()

    async def test_the_list_can_be_filtered(self, store):
        idle = await a_stored_session(store, "ses_idle")
        busy = await a_stored_session(store, "ses_busy", at=at(1))
        await store.append(busy, ask(busy, modality=Modality.IMAGE, when=at(2)), ALICE)
        await store.append(idle, close(idle, at=at(3)), ALICE)

        async def ids(**filters) -> list[str]:
            return [it.id for it in (await store.find(SessionQuery(owner="alice", **filters))).sessions]

        assert await ids() == ["ses_idle", "ses_busy"]
        assert await ids(status=SessionStatus.OPEN) == ["ses_busy"]
        assert await ids(status=SessionStatus.CLOSED) == ["ses_idle"]
        assert await ids(modality=Modality.IMAGE) == ["ses_busy"]
        assert await ids(modality=Modality.TEXT) == []
        assert await ids(active_after=at(2)) == ["ses_idle"]
        assert await ids(active_after=at(3)) == []
        assert await ids(status=SessionStatus.OPEN, modality=Modality.IMAGE, active_after=NOON) == ["ses_busy"]

    async def test_the_list_can_be_filtered_by_metadata(self, store):
        one = await a_stored_session(store, "ses_1", metadata={"team": "red", "k": "v"}, at=at(1))
        await a_stored_session(store, "ses_2", metadata={"team": "red"}, at=at(2))
        await a_stored_session(store, "ses_3", owner="bob", metadata={"team": "red"})

        async def ids(**metadata) -> list[str]:
            return [it.id for it in (await store.find(SessionQuery(owner="alice", metadata=metadata))).sessions]

        assert await ids(team="red") == ["ses_2", "ses_1"]
        assert await ids(team="red", k="v") == ["ses_1"]
        assert await ids(team="blue") == await ids(tea="mred") == await ids(k="red") == []
        one = await store.append(one, change(one, Changes(metadata={"team": "blue"}), at=at(3)), ALICE)
        assert (await ids(team="red"), await ids(team="blue"), await ids(k="v")) == (["ses_2"], ["ses_1"], [])
        await store.append(one, ask(one), ALICE)
        assert await ids(team="blue") == ["ses_1"]
        pages = await every_page(store, {"owner": "alice", "metadata": {"team": "red"}}, 1)
        assert pages == ["ses_2"]

    @_ON_ONE_STORE
    @given(moments=st.lists(st.integers(0, 3), max_size=9), limit=st.integers(1, 4))
    async def test_paging_shows_each_session_once_and_in_order(self, store, moments, limit):
        owner = f"owner_{next(_NUMBERS)}"
        known = [(at(moment), f"ses_{owner}_{place}") for place, moment in enumerate(moments)]
        for moment, session_id in known:
            await a_stored_session(store, session_id, owner=owner, at=moment)
        assert await every_page(store, {"owner": owner}, limit) == [it for _, it in sorted(known, reverse=True)]

    # ── Idempotency keys ──────────────────────────────────────────────────────────────────────────────────────────

    async def test_a_key_stands_for_what_it_was_stored_with(self, store):
        assert await store.key_use("alice", "k") is None
        session = await store.append(Session(id="ses_a"), (opened(),), ALICE, key_use=key_use())
        assert await store.key_use("alice", "k") == key_use()
        await store.append(session, ask(session), ALICE, key_use=key_use("k2", turn=1))
        assert await store.key_use("alice", "k2") == key_use("k2", turn=1)
        assert await store.key_use("bob", "k") is None

    async def test_a_key_that_is_taken_stores_nothing(self, store):
        await store.append(Session(id="ses_a"), (opened(),), ALICE, key_use=key_use())
        for taken in (key_use(session_id="ses_b"), key_use(session_id="ses_b", instead_of=1)):
            with pytest.raises(IdempotencyInProgress):
                await store.append(Session(id="ses_b"), (opened(),), ALICE, key_use=taken)
        with pytest.raises(NotFound):
            await store.load("ses_b")
        assert await store.key_use("alice", "k") == key_use()

    async def test_a_conflict_takes_no_key(self, store):
        stale = await a_stored_session(store)
        await store.append(stale, ask(stale), ALICE)
        with pytest.raises(VersionConflict):
            await store.append(stale, ask(stale), ALICE, key_use=key_use(turn=1))
        assert await store.key_use("alice", "k") is None

    async def test_a_key_whose_turn_failed_can_stand_for_another_turn_once(self, store):
        session = await a_stored_session(store)
        session = await store.append(session, ask(session), ALICE, key_use=key_use(turn=1))
        session = await store.append(session, fail(session), ALICE)
        again = key_use(turn=2, instead_of=1)
        failed = session = await store.append(session, ask(session), ALICE, key_use=again)
        assert await store.key_use("alice", "k") == key_use(turn=2)
        session = await store.append(failed, fail(failed), ALICE)
        with pytest.raises(IdempotencyInProgress):
            await store.append(session, ask(session), ALICE, key_use=key_use(turn=3, instead_of=1))

    async def test_of_several_with_one_key_exactly_one_is_stored(self, store):
        tries = (
            store.append(Session(id=f"ses_{n}"), (opened(),), ALICE, key_use=key_use(session_id=f"ses_{n}"))
            for n in range(6)
        )
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        (won,) = [it for it in outcomes if isinstance(it, Session)]
        assert {type(it) for it in outcomes if it is not won} == {IdempotencyInProgress}
        assert (await store.key_use("alice", "k")).session_id == won.id

    async def test_of_several_sessions_at_once_only_the_one_that_is_stale_is_refused(self, store):
        stale = await a_stored_session(store, "ses_stale")
        await store.append(stale, ask(stale), ALICE)
        await store.append(Session(id="ses_k"), (opened(),), ALICE, key_use=key_use("taken", session_id="ses_k"))
        fresh = [await a_stored_session(store, f"ses_{number}") for number in range(12)]
        taken = store.append(Session(id="ses_x"), (opened(),), ALICE, key_use=key_use("taken", session_id="ses_x"))
        tries = [store.append(it, ask(it), ALICE) for it in (*fresh[:6], stale, *fresh[6:])]
        outcomes = await asyncio.gather(*tries[:9], taken, *tries[9:], return_exceptions=True)
        assert [type(it).__name__ for it in outcomes if not isinstance(it, Session)] == [
            "VersionConflict",
            "IdempotencyInProgress",
        ]
        for it in fresh:
            assert (await store.load(it.id)).version == 2
            assert (await store.verify(it.id)).valid
        with pytest.raises(NotFound):
            await store.load("ses_x")

    async def test_a_caller_that_went_away_hinders_nobody_else(self, store):
        sessions = [await a_stored_session(store, f"ses_{number}") for number in range(8)]
        tries = [asyncio.create_task(store.append(it, ask(it), ALICE)) for it in sessions]
        await asyncio.sleep(0)
        for it in tries[::2]:
            it.cancel()
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert [it.version for it in outcomes[1::2]] == [2] * 4
        for it in sessions:
            found = await store.load(it.id)
            assert found.version in (1, 2)  # begun or not: all of it, or nothing
            assert (
                await store.append(found, reset(found, at=NOON) if found.version == 1 else fail(found), ALICE)
            ).version

    # ── State tokens ──────────────────────────────────────────────────────────────────────────────────────────────

    async def test_what_a_token_stands_for_is_stored_with_its_turn(self, store):
        session = await a_stored_session(store)
        session = await store.append(session, ask(session), ALICE)
        held = a_state(
            session, "st_one", backend=BackendState(kind="tiny.memory", value="\x00 Grüße", expires_at=at(9))
        )
        session = await store.append(session, answer(session), ALICE, state=held)
        assert await store.state(held.state.digest) == held
        assert await store.state("0" * 64) is None
        session = await store.append(session, ask(session), ALICE)
        later = a_state(session, "st_two")
        await store.append(session, answer(session), ALICE, state=later)
        assert list(await store.states(session.id)) == [held, later]

    async def test_a_token_of_a_refused_append_is_not_stored(self, store):
        stale = await a_stored_session(store)
        current = await store.append(stale, ask(stale), ALICE)
        held = a_state(current, "st_one")
        with pytest.raises(VersionConflict):
            await store.append(stale, reset(stale, at=NOON), ALICE, state=held)
        assert await store.state(held.state.digest) is None

    async def test_an_erased_session_has_no_tokens_any_more(self, store):
        session = await a_stored_session(store, turns=1)
        session = await store.append(session, ask(session), ALICE)
        held = a_state(session, "st_one")
        session = await store.append(session, answer(session), ALICE, state=held)
        assert (await store.erase(session, *erase(session, at=NOON), ALICE)).state_tokens == 1
        assert await store.state(held.state.digest) is None
        with pytest.raises(SessionErased):
            await store.states(session.id)

    # ── Erasure ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def test_an_erased_session_cannot_be_read_or_written_and_its_chain_is_whole(self, store):
        session = await a_stored_session(store, turns=2, title="Trip", metadata={"k": "v"})
        (erased,) = erase(session, at=at(9))
        receipt = await store.erase(session, erased, ALICE)
        assert (receipt.session_id, receipt.erased_at, receipt.events) == ("ses_a", at(9), 6)
        for look in (
            store.load("ses_a"),
            store.load("ses_a", at_version=2),
            store.history("ses_a"),
            store.append(session, ask(session), ALICE),
            store.append(after(session, (erased,)), ask(session), ALICE),
        ):
            with pytest.raises((SessionErased, VersionConflict)):
                await look
        found = await store.verify("ses_a")
        assert (found.valid, found.erased, found.events, found.head) == (True, True, 6, receipt.head)

    async def test_an_erased_session_is_in_no_list_and_its_keys_are_forgotten(self, store):
        session = await store.append(Session(id="ses_a"), (opened(),), ALICE, key_use=key_use())
        await a_stored_session(store, "ses_b")
        await store.append(Session(id="ses_c"), (opened(),), ALICE, key_use=key_use("other", session_id="ses_c"))
        receipt = await store.erase(session, *erase(session, at=NOON), ALICE)
        assert receipt.idempotency_keys == 1
        assert await store.key_use("alice", "k") is None
        assert (await store.key_use("alice", "other")).session_id == "ses_c"
        assert {it.id for it in (await store.find(SessionQuery(owner="alice"))).sessions} == {"ses_b", "ses_c"}
        assert list(await store.active()) == []

    async def test_an_erased_session_is_never_opened_again(self, store):
        session = await a_stored_session(store)
        await store.erase(session, *erase(session, at=NOON), ALICE)
        with pytest.raises((SessionErased, VersionConflict)):
            await store.append(Session(id="ses_a"), (opened(),), ALICE)

    async def test_only_the_version_that_was_seen_is_erased(self, store):
        stale = await a_stored_session(store)
        current = await store.append(stale, ask(stale), ALICE)
        with pytest.raises(VersionConflict):
            await store.erase(stale, *erase(stale, at=NOON), ALICE)
        assert await store.load("ses_a") == current

    async def test_it_is_told_who_may_know_that_a_session_was_erased(self, store):
        session = await a_stored_session(store)
        await store.erase(session, *erase(session, at=NOON), ALICE)
        with pytest.raises(SessionErased) as erased:
            await store.load("ses_a")
        assert erased.value.owner == "alice"

    # ── Waiting for what comes ────────────────────────────────────────────────────────────────────────────────────

    async def test_who_waits_is_woken_by_an_append(self, store):
        session = await a_stored_session(store)
        waiting = [asyncio.create_task(store.changed("ses_a", session.version, 60)) for _ in range(2)]
        await asyncio.sleep(0)
        await store.append(session, ask(session), ALICE)
        assert await asyncio.gather(*waiting) == [True, True]

    async def test_what_is_there_already_is_not_waited_for(self, store):
        session = await a_stored_session(store, turns=1)
        assert await store.changed("ses_a", session.version - 1, 60)

    async def test_waiting_ends_when_its_time_is_over(self, store):
        session = await a_stored_session(store)
        await a_stored_session(store, "ses_b")
        assert not await store.changed("ses_a", session.version, 0.01)

    async def test_who_waits_for_a_session_is_told_that_it_is_gone(self, store):
        session = await a_stored_session(store)
        waiting = asyncio.create_task(store.changed("ses_a", session.version, 60))
        await asyncio.sleep(0)
        await store.erase(session, *erase(session, at=NOON), ALICE)
        assert await waiting

    async def test_who_waits_no_more_leaves_nothing_behind(self, store):
        session = await a_stored_session(store)
        before = asyncio.all_tasks()
        waiting = asyncio.create_task(store.changed("ses_a", session.version, 60))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.sleep(0)
        assert asyncio.all_tasks() <= before

    # ── Turns that have not ended ─────────────────────────────────────────────────────────────────────────────────

    async def test_a_turn_is_left_behind_when_its_process_ended_before_it(self, store, restart):
        session = await a_stored_session(store, "ses_a")
        await a_stored_session(store, "ses_b", turns=1)
        session = await store.append(session, ask(session), ALICE)
        assert list(await store.active()) == []
        store = await restart()
        assert list(await store.active()) == ["ses_a"]
        session = await store.append(session, interrupt(session, at=NOON), ALICE)
        assert list(await store.active()) == []
        await store.append(session, ask(session), ALICE)
        assert list(await store.active()) == []
