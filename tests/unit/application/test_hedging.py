"""Two models at once for one request that is slow to begin: the first that says something answers."""

import asyncio

import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.application.seats import Seats
from pluggably.domain import errors
from pluggably.domain.generation import TextDelta
from pluggably.domain.routing import BreakerPolicy, RetryPolicy, Route

from .world import World

AT_ONCE = 0.0
THREE = RetryPolicy(attempts=3, first_pause_s=0, longest_pause_s=0)


class Failing(ScriptedGenerator):
    """Fails once the gate is open."""

    async def generate(self, request):
        self.requests.append(request)
        self.running += 1
        try:
            if self.gate:
                await self.gate.wait()
            raise self.failure
            yield
        finally:
            self.running -= 1


def _silent(**wanted) -> ScriptedGenerator:
    return ScriptedGenerator(gate=asyncio.Event(), **wanted)


def _says(text: str) -> ScriptedGenerator:
    return ScriptedGenerator(answer=text)


def _world(*tiers, after_s=AT_ONCE, retries=THREE, generator=None, **others) -> World:
    seats, breaker = others.pop("seats", {}), others.pop("breaker", BreakerPolicy())
    named = tuple(tuple(f"{it}/m" if it in others else it for it in tier) for tier in tiers)
    routes = {"smart": Route(name="smart", tiers=named, hedge_after_s=after_s)}
    local = generator or ScriptedGenerator()
    return World(local, others=others, routes=routes, retries=retries, seats=seats, breaker=breaker)


def _tried(answer) -> list[tuple[str, str]]:
    return [(it.model, it.status) for it in answer.attempts]


async def _asked(*generators) -> None:
    while not all(it.requests for it in generators):
        await asyncio.sleep(0)


async def test_the_faster_one_answers_and_the_other_is_stopped_and_told_of():
    slow = _silent()
    world = _world(("a",), ("b",), a=slow, b=_says("I am b."))
    session_id = await world.open()
    answer = await world.ask(model="smart", session_id=session_id)
    assert (answer.result.output[0].text, answer.model.id) == ("I am b.", "b/m")
    assert _tried(answer) == [("a/m", "hedged_away"), ("b/m", "ok")]
    assert (slow.running, slow.tokens) == (0, 0)
    (turn,) = (await world.session(session_id)).turns
    assert [(it.model, it.status) for it in turn.attempts] == _tried(answer)


async def test_the_slower_one_is_stopped_before_the_faster_one_has_ended():
    slow = _silent()
    async with _world(("a",), ("b",), a=slow, b=_says("I am b.")).begin(model="smart") as running:
        outputs = running.outputs()
        await anext(outputs)
        while slow.running:
            await asyncio.sleep(0)
        await outputs.aclose()


async def test_the_slow_one_may_still_be_the_first_and_no_word_of_the_other_is_told():
    a, b = _silent(answer="I am a."), _silent(answer="I am b.")
    world, said = _world(("a",), ("b",), a=a, b=b), []

    async def ask():
        async with world.begin(model="smart") as running:
            return [output async for output in running.outputs()]

    asked = asyncio.create_task(ask())
    await _asked(a, b)
    a.gate.set()
    *said, answer = await asked
    assert "".join(it.text for it in said if isinstance(it, TextDelta)) == answer.result.output[0].text == "I am a."
    assert _tried(answer) == [("b/m", "hedged_away"), ("a/m", "ok")]
    assert b.running == 0


async def test_two_that_answer_at_the_same_time_are_never_mixed():
    gate = asyncio.Event()
    a, b = ScriptedGenerator(answer="a a a a", gate=gate), ScriptedGenerator(answer="b b b b", gate=gate)
    asked = asyncio.create_task(_world(("a", "b"), a=a, b=b).ask(model="smart"))
    await _asked(a, b)
    gate.set()
    assert (await asked).result.output[0].text in {"a a a a", "b b b b"}
    assert min(a.tokens, b.tokens) <= 1
    assert (a.running, b.running) == (0, 0)


@pytest.mark.parametrize("after_s", [None, 3_600.0], ids=["not wanted", "in time"])
async def test_nobody_else_is_asked_meanwhile(after_s):
    world = _world(("a",), ("b",), after_s=after_s, a=_says("I am a."), b=(other := _says("I am b.")))
    assert _tried(await world.ask(model="smart")) == [("a/m", "ok")]
    assert not other.requests


async def test_when_one_fails_the_other_is_waited_for():
    a, b = Failing(failure=errors.ProviderUnavailable(), gate=asyncio.Event()), _silent(answer="I am b.")
    asked = asyncio.create_task(_world(("a",), ("b",), ("c",), a=a, b=b, c=(third := _silent())).ask(model="smart"))
    await _asked(a, b)
    a.gate.set()
    while a.running:
        await asyncio.sleep(0)
    b.gate.set()
    assert _tried(await asked) == [("a/m", "provider_unavailable"), ("b/m", "ok")]
    assert not third.requests


async def test_what_one_refuses_to_say_the_other_does_not_say_either():
    a = Failing(failure=errors.ContentPolicyViolation(), gate=asyncio.Event())
    asked = asyncio.create_task(_world(("a",), ("b",), a=a, b=(b := _silent())).ask(model="smart"))
    await _asked(a, b)
    a.gate.set()
    with pytest.raises(errors.ContentPolicyViolation) as refused:
        await asked
    assert _tried(refused.value) == [("b/m", "hedged_away"), ("a/m", "content_policy_violation")]
    assert b.running == 0


async def test_both_count_in_the_one_budget_of_tries():
    failing = {it: Failing(failure=errors.ProviderUnavailable(), gate=asyncio.Event()) for it in "abcd"}
    asked = asyncio.create_task(_world(("a",), ("b",), ("c",), ("d",), **failing).ask(model="smart"))
    await _asked(failing["a"], failing["b"])
    failing["a"].gate.set()
    failing["b"].gate.set()
    await _asked(failing["c"])
    failing["c"].gate.set()
    with pytest.raises(errors.ProviderUnavailable) as failed:
        await asked
    assert len(_tried(failed.value)) == 3
    assert not failing["d"].requests


async def test_the_last_try_is_not_hedged():
    world = _world(("a",), ("b",), retries=RetryPolicy(attempts=1), a=(a := _silent()), b=(b := _says("I am b.")))
    asked = asyncio.create_task(world.ask(model="smart"))
    await _asked(a)
    for _ in range(20):
        await asyncio.sleep(0)
    a.gate.set()
    assert _tried(await asked) == [("a/m", "ok")]
    assert not b.requests


async def test_both_have_the_one_deadline():
    retries = RetryPolicy(attempts=3, deadline_s=0.05, first_pause_s=0, longest_pause_s=0)
    world = _world(("a",), ("b",), retries=retries, a=(a := _silent()), b=(b := _silent()))
    with pytest.raises(errors.ProviderTimeout) as failed:
        await world.ask(model="smart")
    assert sorted(_tried(failed.value)) == [("a/m", "provider_timeout"), ("b/m", "provider_timeout")]
    assert (a.running, b.running) == (0, 0)


async def test_a_provider_without_room_is_not_asked_too():
    taken = Seats("b", 1)
    world = _world(("a",), ("b",), a=(a := _silent()), b=(b := _says("I am b.")), seats={"b": taken})
    async with taken.seat():
        asked = asyncio.create_task(world.ask(model="smart"))
        await _asked(a)
        for _ in range(20):
            await asyncio.sleep(0)
    a.gate.set()
    assert _tried(await asked) == [("a/m", "ok")]
    assert not b.requests


async def test_two_models_that_run_here_are_not_asked_at_once_but_one_beside_a_remote_one_is():
    here = _silent()
    world = _world(("tiny",), ("other",), generator=here)
    asked = asyncio.create_task(world.ask(model="smart"))
    await _asked(here)
    for _ in range(20):
        await asyncio.sleep(0)
    here.gate.set()
    assert _tried(await asked) == [("tiny", "ok")]
    assert len(here.requests) == 1
    assert _tried(await _world(("a",), ("tiny",), a=_silent()).ask(model="smart")) == [
        ("a/m", "hedged_away"),
        ("tiny", "ok"),
    ]


async def test_being_the_slower_one_is_neither_a_failure_nor_a_success():
    slow = Failing(failure=errors.ProviderUnavailable())
    world = _world(("a",), ("b",), a=slow, b=_says("I am b."), breaker=BreakerPolicy(failures=2), retries=THREE)
    await world.ask(model="smart")
    slow.gate = asyncio.Event()
    slow.requests.clear()
    for _ in range(3):
        assert _tried(await world.ask(model="smart"))[0] == ("a/m", "hedged_away")
    model = await world.router.catalog.get("a/m")
    assert world.router.health(model).failures == 1
    assert world.router.left_in_peace() == ()


@pytest.mark.parametrize("in_a_session", [False, True], ids=["alone", "in a session"])
async def test_a_client_that_leaves_at_any_moment_ends_both(in_a_session):
    ended = 0
    for steps in range(200):
        a, b = _silent(), ScriptedGenerator(answer="I am b.", gate=asyncio.Event())
        seats = {it: Seats(it, 1) for it in "ab"}
        world = _world(("a",), ("b",), a=a, b=b, seats=seats)
        session_id = await world.open() if in_a_session else None
        task = asyncio.create_task(world.ask(model="smart", session_id=session_id))
        for step in range(steps):
            await asyncio.sleep(0)
            if len(b.requests) == 1 and step % 2:
                b.gate.set()
        task.cancel()
        await asyncio.wait({task})
        assert (a.running, b.running) == (0, 0)
        assert all(it.has_room for it in seats.values())
        models = [await world.router.catalog.get(f"{it}/m") for it in "ab"]
        assert [world.router.load(it, it) for it in models] == [1, 1]
        assert asyncio.all_tasks() == {asyncio.current_task()}
        if in_a_session:
            turns = (await world.session(session_id)).turns
            assert all(it.error_code == "cancelled" for it in turns if not it.output)
        if not task.cancelled():
            ended += 1
            assert _tried(task.result()) == [("a/m", "hedged_away"), ("b/m", "ok")]
        if ended == 3:
            return
    raise AssertionError("the answer never came")
