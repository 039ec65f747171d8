"""State tokens: what a client can go on from after each turn."""

from datetime import timedelta

import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.adapters.system import now
from pluggably.domain.access import Principal
from pluggably.domain.errors import (
    InvalidRequest,
    ProviderUnreachable,
    SessionErased,
    StateTokenExpired,
    StateTokenInvalid,
    StateTokenMismatch,
    StateTokenRefused,
)
from pluggably.domain.idempotency import IdempotencyKey
from pluggably.domain.session import StateFellBack, TurnStatus, event_id

from .world import World

MALLORY = Principal(id="mallory", method="api_key")


def said_to(world: World) -> list[str]:
    """What the model was told the last time it was asked."""
    return [message.text for message in world.generator.requests[-1].messages]


async def events_of(world: World, session_id: str) -> list:
    return [it.event for it in await world.store.history(session_id)]


@pytest.fixture
def world():
    return World(ScriptedGenerator(answer="Yes."))


@pytest.fixture
def remembering():
    """A world whose backend has states of its own."""
    return World(ScriptedGenerator(answer="Yes.", remembers=True))


async def test_each_turn_of_a_session_gives_a_token_of_its_own_and_nothing_else_does(world):
    session_id = await world.open()
    first, second = [await world.ask(session_id=session_id) for _ in range(2)]
    assert first.state_token.startswith("st_")
    assert first.state_token != second.state_token
    assert (await world.ask()).state_token is None


async def test_a_token_goes_on_from_its_turn_and_the_session_from_there(world):
    session_id = await world.open()
    first = await world.ask("One", session_id=session_id)
    await world.ask("Two", session_id=session_id)
    branch = await world.ask("Other two", session_id=session_id, state_token=first.state_token)
    assert said_to(world) == ["One", "Yes.", "Other two"]
    await world.ask("Three", session_id=session_id)
    assert said_to(world) == ["One", "Yes.", "Other two", "Yes.", "Three"]
    session = await world.session(session_id)
    assert [turn.follows for turn in session.turns] == [None, 1, 1, 3]
    assert branch.session.turn == 3


async def test_a_token_alone_names_its_session(world):
    session_id = await world.open()
    first = await world.ask("One", session_id=session_id)
    assert (await world.ask("Two", state_token=first.state_token)).session.id == session_id


async def test_a_token_reaches_behind_a_reset(world):
    session_id = await world.open()
    first = await world.ask("One", session_id=session_id)
    await world.sessions.reset(session_id, world.principal, "req", None)
    await world.ask("Two", session_id=session_id)
    assert said_to(world) == ["Two"]
    await world.ask("Three", session_id=session_id, state_token=first.state_token)
    assert said_to(world) == ["One", "Yes.", "Three"]


async def test_a_failed_turn_on_another_branch_leaves_the_session_where_it_was(world):
    session_id = await world.open()
    first = await world.ask("One", session_id=session_id)
    await world.ask("Two", session_id=session_id)
    world.generator.failure = StateTokenExpired()
    with pytest.raises(StateTokenExpired):
        await world.ask("Lost", session_id=session_id, state_token=first.state_token)
    world.generator.failure = None
    await world.ask("Three", session_id=session_id)
    assert said_to(world) == ["One", "Yes.", "Two", "Yes.", "Three"]


@pytest.mark.parametrize("token", ["st_nonsense", "", "Auto"])
async def test_what_is_no_token_is_refused(world, token):
    session_id = await world.open()
    with pytest.raises(StateTokenInvalid, match="none that is kept"):
        await world.ask(session_id=session_id, state_token=token)
    assert (await world.session(session_id)).turns == ()


async def test_a_token_of_another_session_or_owner_is_refused_like_one_that_never_was(world):
    one, two = await world.open(), await world.open()
    token = (await world.ask(session_id=one)).state_token
    refusals = []
    for wanted in ({"session_id": two}, {"principal": MALLORY}, {"principal": MALLORY, "session_id": one}):
        with pytest.raises(StateTokenInvalid) as refused:
            await world.ask(state_token=token, **wanted)
        refusals.append(str(refused.value))
    assert len(set(refusals)) == 1
    assert one not in refusals[0]


async def test_a_token_is_refused_once_its_time_is_over():
    moment = [now()]
    world = World(ScriptedGenerator(answer="Yes."), clock=lambda: moment[0])
    session_id = await world.open()
    token = (await world.ask("One", session_id=session_id)).state_token
    moment[0] += timedelta(days=184, seconds=-1)
    await world.ask("Two", state_token=token)
    moment[0] += timedelta(seconds=1)
    with pytest.raises(StateTokenExpired, match="expired at"):
        await world.ask("Three", state_token=token)


async def test_a_token_that_stands_for_the_history_is_good_for_every_model(world):
    session_id = await world.open()
    token = (await world.ask("One", session_id=session_id, model="tiny")).state_token
    assert (await world.ask("Two", state_token=token, model="other")).model.id == "other"
    assert said_to(world) == ["One", "Yes.", "Two"]


# ── Backends that have states of their own ────────────────────────────────────────────────────────────────────────


async def test_a_backend_gets_back_the_state_that_it_gave(remembering):
    session_id = await remembering.open()
    first = await remembering.ask("One", session_id=session_id, model="other")
    await remembering.ask("Two", state_token=first.state_token)
    request = remembering.generator.requests[-1]
    assert (request.state.kind, request.state.value) == ("scripted.answer", first.id)
    assert request.model.id == "other"  # only that model understands it, so nothing else is the default
    state = (await remembering.session(session_id)).turns[0].state
    assert (state.kind, state.provider, state.model) == ("scripted.answer", "local", "other")


async def test_a_backends_state_is_refused_to_another_model(remembering):
    session_id = await remembering.open()
    token = (await remembering.ask("One", session_id=session_id, model="tiny")).state_token
    with pytest.raises(StateTokenMismatch, match="'tiny'"):
        await remembering.ask("Two", state_token=token, model="other")
    assert len((await remembering.session(session_id)).turns) == 1


async def test_a_state_that_the_backend_forgot_is_an_error(remembering):
    session_id = await remembering.open()
    token = (await remembering.ask("One", session_id=session_id)).state_token
    remembering.generator.states.clear()
    with pytest.raises(StateTokenRefused):
        await remembering.ask("Two", state_token=token)
    turns = (await remembering.session(session_id)).turns
    assert [turn.status for turn in turns] == [TurnStatus.COMPLETED, TurnStatus.FAILED]


async def test_auto_goes_on_from_the_newest_state(remembering):
    session_id = await remembering.open()
    await remembering.ask("One", session_id=session_id, state_token="auto")
    second = await remembering.ask("Two", session_id=session_id, state_token="auto")
    await remembering.ask("Three", session_id=session_id, state_token="auto")
    assert remembering.generator.requests[-1].state.value == second.id
    assert not [it for it in await events_of(remembering, session_id) if isinstance(it, StateFellBack)]


async def test_auto_tells_the_history_where_the_backend_forgot_and_says_so(remembering):
    session_id = await remembering.open()
    await remembering.ask("One", session_id=session_id)
    remembering.generator.states.clear()
    assert (await remembering.ask("Two", session_id=session_id, state_token="auto")).state_token
    assert remembering.generator.requests[-1].state is None
    assert said_to(remembering) == ["One", "Yes.", "Two"]
    (told,) = [it for it in await events_of(remembering, session_id) if isinstance(it, StateFellBack)]
    assert (told.turn, told.state_of, told.code) == (2, 1, "state_token_refused")


async def test_auto_tells_the_history_to_another_model_and_says_so(remembering):
    session_id = await remembering.open()
    await remembering.ask("One", session_id=session_id, model="tiny")
    await remembering.ask("Two", session_id=session_id, model="other", state_token="auto")
    assert remembering.generator.requests[-1].state is None
    assert said_to(remembering) == ["One", "Yes.", "Two"]
    (told,) = [it for it in await events_of(remembering, session_id) if isinstance(it, StateFellBack)]
    assert told.code == "state_token_mismatch"


async def test_auto_needs_a_session(world):
    with pytest.raises(InvalidRequest, match="state_token"):
        await world.ask(state_token="auto")


# ── What stays of them ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_request_that_is_sent_again_gets_the_same_token(world):
    session_id = await world.open()
    key = IdempotencyKey(key="k", fingerprint="f")
    first, again = [await world.ask(session_id=session_id, idempotency=key) for _ in range(2)]
    assert (again.id, again.state_token) == (first.id, first.state_token)


async def test_no_event_holds_a_token(world):
    session_id = await world.open()
    token = (await world.ask(session_id=session_id)).state_token
    assert token not in repr(await world.store.history(session_id))


async def test_a_fork_has_no_tokens_of_its_origin(world):
    session_id = await world.open()
    token = (await world.ask("One", session_id=session_id)).state_token
    fork = await world.sessions.fork(session_id, world.principal, "req", None, None)
    with pytest.raises(StateTokenInvalid):
        await world.ask(session_id=fork.id, state_token=token)
    await world.ask("Two", session_id=fork.id, state_token="auto")
    assert said_to(world) == ["One", "Yes.", "Two"]


async def test_a_token_dies_with_its_session(world):
    session_id = await world.open()
    token = (await world.ask(session_id=session_id)).state_token
    receipt = await world.sessions.erase(session_id, world.principal, "req", None)
    assert receipt.state_tokens == 1
    with pytest.raises(StateTokenInvalid):
        await world.ask(state_token=token)


async def test_a_backend_forgets_the_states_of_an_erased_session(remembering):
    kept, erased = await remembering.open(), await remembering.open()
    for session_id in (kept, erased, erased):
        await remembering.ask(session_id=session_id)
    receipt = await remembering.sessions.erase(erased, remembering.principal, "req", None)
    assert (receipt.backend_states, receipt.backend_states_left) == (2, 0)
    state = (await remembering.store.states(kept))[0].backend
    assert remembering.generator.states == {state.value}


async def test_a_receipt_tells_of_states_that_a_backend_would_not_forget(remembering):
    session_id = await remembering.open()
    await remembering.ask(session_id=session_id)
    remembering.generator.failure = ProviderUnreachable()
    receipt = await remembering.sessions.erase(session_id, remembering.principal, "req", None)
    assert (receipt.backend_states, receipt.backend_states_left) == (0, 1)
    with pytest.raises(SessionErased):
        await remembering.session(session_id)


async def test_what_ends_a_turn_was_caused_by_its_beginning(world):
    session_id = await world.open()
    await world.ask(session_id=session_id)
    opened, requested, completed = await world.store.history(session_id)
    assert (opened.provenance.causation_id, requested.provenance.causation_id) == (None, None)
    assert completed.provenance.causation_id == event_id(session_id, 2)
