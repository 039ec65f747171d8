"""The main job: what a client of the use case sees, over the in-memory adapters."""

import asyncio

import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.domain.access import LOCAL_OPERATOR, Principal
from pluggably.domain.errors import (
    GatewayError,
    InvalidRequest,
    ModelNotFound,
    NotFound,
    ProviderOverloaded,
    SessionBusy,
    SessionClosed,
    VersionConflict,
)
from pluggably.domain.generation import Generation, Role, TextDelta
from pluggably.domain.model import Modality
from pluggably.domain.parameters import TextParameters
from pluggably.domain.session import TurnStatus

from .world import World


class Damaged:
    """A store in which one session cannot be read."""

    def __init__(self, store, session_id):
        self.active, self.append = store.active, store.append
        self._store, self._session_id = store, session_id

    async def load(self, session_id):
        if session_id == self._session_id:
            raise GatewayError(detail="Event 2 is not as it was stored.")
        return await self._store.load(session_id)


@pytest.fixture
def world():
    return World(ScriptedGenerator(answer="one two three four"))


async def test_a_generation_gives_its_pieces_and_then_the_whole(world):
    async with world.begin(stream=True) as running:
        outputs = [output async for output in running.outputs()]
    pieces = [output.text for output in outputs if isinstance(output, TextDelta)]
    assert "".join(pieces) == outputs[-1].result.output[0].text == "one two three four"
    assert outputs[-1].attempts[0].status == "ok"


async def test_the_seed_asked_for_is_told_back(world):
    assert (await world.ask(parameters=TextParameters(seed=7))).result.seed == 7


async def test_a_parameter_that_the_model_does_not_know_is_refused_by_name(world):
    with pytest.raises(InvalidRequest) as refused:
        await world.ask(parameters=TextParameters(top_k=4, temperature=0.5))
    assert {violation.pointer for violation in refused.value.violations} == {
        "/parameters/top_k",
        "/parameters/temperature",
    }
    assert refused.value.violations[0].allowed == ("max_tokens", "seed")


async def test_an_unknown_model_is_refused_with_a_close_match(world):
    with pytest.raises(ModelNotFound, match="Did you mean 'tiny'"):
        await world.ask(model="tinny")


async def test_a_turn_is_stored_before_the_model_is_asked(world):
    session_id = await world.open()
    async with world.begin(session_id=session_id):
        assert (await world.session(session_id)).active_turn
        assert not world.generator.requests
    assert (await world.session(session_id)).turns[0].status is TurnStatus.CANCELLED


async def test_a_turn_brings_the_context_of_those_before(world):
    session_id = await world.open(instructions="Be brief.")
    await world.ask("First", session_id=session_id)
    done = await world.ask("Second", session_id=session_id)
    told = [(message.role, message.text) for message in world.generator.requests[-1].messages]
    assert told == [
        (Role.SYSTEM, "Be brief."),
        (Role.USER, "First"),
        (Role.ASSISTANT, "one two three four"),
        (Role.USER, "Second"),
    ]
    assert (done.session.turn, done.session.version) == (2, 5)


async def test_the_result_is_durable_before_the_client_has_it(world):
    session_id = await world.open()
    async with world.begin(session_id=session_id) as running:
        async for output in running.outputs():
            if isinstance(output, Generation):
                assert (await world.session(session_id)).turns[0].status is TurnStatus.COMPLETED


async def test_a_failed_turn_stays_in_the_history_and_out_of_the_context():
    world = World(ScriptedGenerator(failure=ProviderOverloaded()))
    session_id = await world.open()
    with pytest.raises(ProviderOverloaded):
        await world.ask("Lost", session_id=session_id)
    session = await world.session(session_id)
    assert (session.turns[0].status, session.turns[0].error_code) == (TurnStatus.FAILED, "provider_overloaded")
    assert session.turns[0].attempts[0].status == "provider_overloaded"
    assert session.active_turn is None


async def test_a_client_that_leaves_mid_stream_cancels_its_turn_and_stops_the_model():
    gate = asyncio.Event()
    world = World(ScriptedGenerator(answer="one two three four", gate=gate))
    session_id = await world.open()

    async def client():
        async with world.begin(session_id=session_id) as running:
            async for _ in running.outputs():
                pass

    task = asyncio.create_task(client())
    while not world.generator.requests:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gate.set()
    session = await world.session(session_id)
    assert session.turns[0].status is TurnStatus.CANCELLED
    assert world.generator.tokens <= 1


async def test_the_second_turn_of_a_session_waits_for_the_first():
    gate = asyncio.Event()
    world = World(ScriptedGenerator(answer="answer", gate=gate))
    session_id = await world.open()
    first = asyncio.create_task(world.ask("First", session_id=session_id))
    second = asyncio.create_task(world.ask("Second", session_id=session_id))
    while not world.generator.requests:
        await asyncio.sleep(0)
    assert len(world.generator.requests) == 1
    gate.set()
    assert [(await first).session.turn, (await second).session.turn] == [1, 2]


async def test_a_wait_for_a_session_is_bounded():
    world = World(ScriptedGenerator(answer="answer", gate=asyncio.Event()), wait_s=0)
    session_id = await world.open()
    async with world.begin(session_id=session_id):
        with pytest.raises(SessionBusy) as busy:
            await world.ask(session_id=session_id)
    assert busy.value.retry_after_s


async def test_turns_of_different_sessions_do_not_wait_for_each_other(world):
    one, two = await world.open(), await world.open()
    async with world.begin(session_id=one):
        assert (await world.ask(session_id=two)).session.turn == 1


async def test_a_stale_version_is_refused_and_changes_nothing(world):
    session_id = await world.open()
    with pytest.raises(VersionConflict):
        await world.ask(session_id=session_id, session_version=7)
    assert (await world.session(session_id)).version == 1


async def test_a_closed_session_refuses_a_turn(world):
    session_id = await world.open()
    await world.sessions.close(session_id, LOCAL_OPERATOR, "req", None)
    with pytest.raises(SessionClosed):
        await world.ask(session_id=session_id)


async def test_a_reset_session_forgets_what_was_said(world):
    session_id = await world.open()
    await world.ask("First", session_id=session_id)
    await world.sessions.reset(session_id, LOCAL_OPERATOR, "req", None)
    await world.ask("Second", session_id=session_id)
    assert [message.text for message in world.generator.requests[-1].messages] == ["Second"]


async def test_somebody_elses_session_is_not_there(world):
    session_id = await world.open()
    with pytest.raises(NotFound):
        await world.ask(session_id=session_id, principal=Principal(id="other", method="test"))


async def test_a_session_can_name_its_default_model_and_it_must_exist(world):
    session_id = await world.open(defaults={Modality.TEXT: "tiny"})
    assert (await world.ask(session_id=session_id)).model.id == "tiny"
    with pytest.raises(ModelNotFound):
        await world.open(defaults={Modality.TEXT: "huge"})


async def test_turns_that_an_earlier_run_left_are_ended_as_interrupted(world):
    session_id = await world.open()
    leftover = world.begin(session_id=session_id)
    await leftover.__aenter__()
    assert (await world.sessions.end_interrupted_turns()).ended == ()
    world.store.restart()  # the process died here
    assert (await world.sessions.end_interrupted_turns()).ended == (session_id,)
    turn = (await world.session(session_id)).turns[0]
    assert (turn.status, turn.error_code) == (TurnStatus.FAILED, "interrupted")
    assert (await world.sessions.end_interrupted_turns()).ended == ()


async def test_a_session_that_cannot_be_read_does_not_keep_the_others_from_being_mended(world):
    broken, whole = await world.open(), await world.open()
    leftovers = [world.begin(session_id=session_id) for session_id in (broken, whole)]
    for leftover in leftovers:
        await leftover.__aenter__()
    world.store.restart()
    world.sessions.store = Damaged(world.store, broken)
    sweep = await world.sessions.end_interrupted_turns()
    assert sweep.ended == (whole,)
    assert [session_id for session_id, _ in sweep.unreadable] == [broken]
