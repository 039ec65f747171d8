"""One request, several models: who is asked, how often, and what is told of it."""

import asyncio

import pytest

from pluggably.adapters.memory.generator import ScriptedGenerator
from pluggably.adapters.memory.models import ListedModels
from pluggably.application.catalog import Catalog
from pluggably.application.routes import RouteModels
from pluggably.application.seats import Seats
from pluggably.domain import errors
from pluggably.domain.generation import TextDelta
from pluggably.domain.model import Modality
from pluggably.domain.parameters import TextParameters
from pluggably.domain.routing import BreakerPolicy, RetryPolicy, Route
from tests.builders import a_model

from .world import Idle, World

AT_ONCE = {"first_pause_s": 0, "longest_pause_s": 0}
THREE = RetryPolicy(attempts=3, **AT_ONCE)


class Failing(ScriptedGenerator):
    """Fails as often as it has errors, then answers."""

    def __init__(self, *failures, **wanted) -> None:
        super().__init__(**wanted)
        self.failures, self.asked = list(failures), 0

    async def generate(self, request):
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        async for event in super().generate(request):
            yield event


def _route(*tiers, **weights) -> dict[str, Route]:
    return {
        "smart": Route(name="smart", tiers=tiers, weights={f"{name}/m": weight for name, weight in weights.items()})
    }


def _world(*tiers, retries=THREE, weights=None, **others) -> World:
    named = tuple(tuple(f"{name}/m" if name in others else name for name in tier) for tier in tiers)
    routes = _route(*named, **(weights or {})) if tiers else {}
    return World(ScriptedGenerator(), others=others, routes=routes, retries=retries)


def _tried(generation) -> list[tuple[str, str]]:
    return [(it.model, it.status) for it in generation.attempts]


async def test_an_unlucky_request_is_tried_again_and_every_try_is_told():
    world = _world(a=Failing(errors.ProviderUnavailable(), errors.ProviderTimeout()))
    answer = await world.ask(model="a/m")
    assert _tried(answer) == [("a/m", "provider_unavailable"), ("a/m", "provider_timeout"), ("a/m", "ok")]


async def test_there_is_an_end_to_trying_and_the_error_tells_of_all():
    world = _world(a=(broken := Failing(*[errors.ProviderError()] * 9)))
    with pytest.raises(errors.ProviderError) as failed:
        await world.ask(model="a/m")
    assert broken.asked == 3
    assert [it.status for it in failed.value.attempts] == ["provider_error"] * 3


@pytest.mark.parametrize(
    "error",
    [
        errors.ProviderAuthFailed(),
        errors.ProviderQuotaExhausted(),
        errors.StreamInterrupted(),
        errors.ContentPolicyViolation(),
        errors.ContextLengthExceeded(),
        errors.RunnerCrashed(),
        errors.Overloaded(),
    ],
    ids=lambda it: it.code,
)
async def test_what_would_not_change_is_not_tried_again(error):
    world = _world(a=(broken := Failing(error)))
    with pytest.raises(type(error)):
        await world.ask(model="a/m")
    assert broken.asked == 1


async def test_the_next_one_is_asked_when_the_first_one_fails():
    world = _world(
        ("a",), ("b",), ("tiny",), a=Failing(errors.ProviderUnavailable()), b=Failing(errors.ProviderAuthFailed())
    )
    answer = await world.ask(model="smart")
    assert _tried(answer) == [("a/m", "provider_unavailable"), ("b/m", "provider_auth_failed"), ("tiny", "ok")]
    assert (answer.model.id, answer.model.provider) == ("tiny", "local")


async def test_the_next_one_is_not_asked_for_what_a_provider_refused_to_say():
    world = _world(("a",), ("b",), a=Failing(errors.ContentPolicyViolation()), b=(other := Failing()))
    with pytest.raises(errors.ContentPolicyViolation):
        await world.ask(model="smart")
    assert other.asked == 0


async def test_the_next_one_is_asked_when_a_provider_does_not_have_the_model_any_more():
    world = _world(("a",), ("tiny",), a=Failing(errors.ModelNotFound()))
    answer = await world.ask(model="smart")
    assert _tried(answer) == [("a/m", "model_not_found"), ("tiny", "ok")]


async def test_a_provider_that_is_away_is_asked_when_it_said_it_would_be_back():
    world = _world(a=(away := Failing(errors.ProviderUnavailable(retry_after_s=3_600))))
    with pytest.raises(errors.ProviderUnavailable) as told:
        await world.ask(model="a/m")
    with pytest.raises(errors.ProviderUnavailable) as told_again:
        await world.ask(model="a/m")
    assert (away.asked, told.value.retry_after_s) == (1, 3_600)
    assert 3_500 < told_again.value.retry_after_s <= 3_600


async def test_after_the_first_word_nobody_else_is_asked():
    broken = ScriptedGenerator(failure=errors.ProviderUnavailable(), fails_after=1)
    world, said = _world(("a",), ("b",), a=broken, b=(other := Failing())), []
    with pytest.raises(errors.ProviderUnavailable):
        async with world.begin(model="smart") as running:
            async for output in running.outputs():
                said.append(output)
    assert (said, other.asked) == ([TextDelta("one ")], 0)


async def test_tries_are_told_in_the_session_too():
    world = _world(("a",), ("tiny",), a=Failing(errors.ProviderUnavailable()))
    session_id = await world.open()
    await world.ask(model="smart", session_id=session_id)
    (turn,) = (await world.session(session_id)).turns
    assert (turn.model, turn.provider) == ("tiny", "local")
    assert [(it.model, it.status) for it in turn.attempts] == [("a/m", "provider_unavailable"), ("tiny", "ok")]


async def test_a_model_that_does_not_know_a_parameter_is_left_out():
    world = _world(("a",), ("tiny",), a=(knows := Failing()))
    with pytest.raises(errors.InvalidRequest):
        await world.ask(model="smart", parameters=TextParameters(top_k=3))
    assert knows.asked == 0


async def test_of_equals_the_least_busy_is_asked_by_weight():
    gate = asyncio.Event()
    a, b = ScriptedGenerator(gate=gate), ScriptedGenerator(gate=gate)
    world = _world(("a", "b"), a=a, b=b, weights={"a": 3})
    asked = [asyncio.create_task(world.ask(model="smart")) for _ in range(8)]
    while a.running + b.running < 8:
        await asyncio.sleep(0)
    assert (a.running, b.running) == (6, 2)
    gate.set()
    await asyncio.gather(*asked)


async def test_a_provider_is_asked_no_more_at_once_than_it_may_be():
    gate = asyncio.Event()
    a = ScriptedGenerator(gate=gate)
    world = World(ScriptedGenerator(), others={"a": a}, seats={"a": Seats("a", 2)})
    asked = [asyncio.create_task(world.ask(model="a/m")) for _ in range(4)]
    while a.running < 2:
        await asyncio.sleep(0)
    with pytest.raises(errors.Overloaded) as refused:
        await world.ask(model="a/m")
    assert refused.value.retry_after_s
    assert a.running == 2
    gate.set()
    await asyncio.gather(*asked)
    assert len(a.requests) == 4


async def test_when_there_is_no_room_an_equal_one_is_asked():
    gate = asyncio.Event()
    a, b = ScriptedGenerator(gate=gate), ScriptedGenerator()
    world = World(
        ScriptedGenerator(), others={"a": a, "b": b}, seats={"a": Seats("a", 1)}, routes=_route(("a/m", "b/m"), a=100)
    )
    first = asyncio.create_task(world.ask(model="smart"))
    while not a.running:
        await asyncio.sleep(0)
    assert (await world.ask(model="smart")).model.id == "b/m"
    gate.set()
    await first


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def __call__(self) -> float:
        return self.at


def _resting(generator, clock, *, patience_s=0.0, routes=None) -> World:
    return World(
        ScriptedGenerator(),
        others={"a": generator},
        now=clock,
        breaker=BreakerPolicy(failures=2, cooldown_s=30),
        retries=RetryPolicy(attempts=1, patience_s=patience_s),
        routes=routes or {},
    )


async def _fails(world, error=errors.ProviderUnavailable) -> errors.GatewayError:
    with pytest.raises(error) as failed:
        await world.ask(model="a/m")
    return failed.value


async def test_what_keeps_failing_is_left_in_peace_and_asked_once_after_a_while():
    clock, broken = Clock(), Failing(*[errors.ProviderUnreachable()] * 3)
    world = _resting(broken, clock)
    for _ in range(2):
        await _fails(world, errors.ProviderUnreachable)
    resting = await _fails(world)
    assert (broken.asked, round(resting.retry_after_s)) == (2, 30)
    assert "failed 2 times in a row" in str(resting)
    assert world.router.left_in_peace() == ("a/m",)
    clock.at += 31
    await _fails(world, errors.ProviderUnreachable)
    await _fails(world)
    assert broken.asked == 3
    clock.at += 61
    assert (await world.ask(model="a/m")).attempts[0].status == "ok"
    assert world.router.left_in_peace() == ()


async def test_one_whose_provider_says_that_it_is_well_is_asked_again():
    clock, broken = Clock(), Failing(*[errors.ProviderUnreachable()] * 2)
    world = _resting(broken, clock)
    for _ in range(2):
        await _fails(world, errors.ProviderUnreachable)
    world.router.well("a/m")
    assert (await world.ask(model="a/m")).attempts[0].status == "ok"


async def test_while_one_is_left_in_peace_the_others_of_its_route_answer():
    clock, broken = Clock(), Failing(*[errors.ProviderUnreachable()] * 9)
    world = _resting(broken, clock, routes=_route(("a/m",), ("tiny",)))
    for _ in range(2):
        await _fails(world, errors.ProviderUnreachable)
    assert _tried(await world.ask(model="smart")) == [("tiny", "ok")]


async def test_who_asked_too_much_does_not_ask_until_then():
    clock, limiting = Clock(), Failing(errors.ProviderRateLimited(retry_after_s=7))
    world = _resting(limiting, clock)
    await _fails(world, errors.ProviderRateLimited)
    refused = await _fails(world, errors.ProviderRateLimited)
    assert (limiting.asked, round(refused.retry_after_s)) == (1, 7)
    clock.at += 8
    assert (await world.ask(model="a/m")).attempts[0].status == "ok"


async def test_a_short_wait_is_waited_for():
    world = _world(a=Failing(errors.ProviderRateLimited(retry_after_s=0.01)))
    assert _tried(await world.ask(model="a/m")) == [("a/m", "provider_rate_limited"), ("a/m", "ok")]


async def test_a_long_wait_is_the_clients():
    world = _world(a=(limiting := Failing(errors.ProviderRateLimited(retry_after_s=60))))
    with pytest.raises(errors.ProviderRateLimited):
        await world.ask(model="a/m")
    assert limiting.asked == 1


async def test_there_is_one_deadline_for_all_tries():
    retries = RetryPolicy(attempts=3, deadline_s=0.05, **AT_ONCE)
    world = _world(retries=retries, a=(silent := ScriptedGenerator(gate=asyncio.Event())))
    with pytest.raises(errors.ProviderTimeout):
        await world.ask(model="a/m")
    assert (len(silent.requests), silent.running) == (1, 0)


async def test_a_route_without_a_usable_model_says_why():
    world = _world(("nowhere",), ("tiny",))
    assert (await world.ask(model="smart")).model.id == "tiny"
    world = _world(("tiny", "nowhere"))
    with pytest.raises(errors.InvalidRequest):
        await world.ask(model="smart", parameters=TextParameters(top_p=0.5))


async def test_a_client_that_leaves_amid_a_pause_ends_it():
    retries = RetryPolicy(first_pause_s=100, longest_pause_s=100, patience_s=1_000)
    world = _world(retries=retries, a=(broken := Failing(errors.ProviderError())))
    world.router.chance = lambda: 1.0
    session_id = await world.open()
    task = asyncio.create_task(world.ask(model="a/m", session_id=session_id))
    while not broken.asked:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (turn,) = (await world.session(session_id)).turns
    assert turn.error_code == "cancelled"


async def test_a_route_does_not_take_the_place_of_the_only_model_there_is():
    routes = {"smart": Route(name="smart", tiers=(("tiny",),))}
    sources = [ListedModels([a_model("tiny")])]
    catalog = Catalog(sources=[RouteModels(routes, sources), *sources], runners=Idle())
    await catalog.refresh()
    assert (await catalog.resolve(None, Modality.TEXT)).id == "tiny"
    assert (await catalog.resolve("smart", Modality.TEXT)).id == "smart"
