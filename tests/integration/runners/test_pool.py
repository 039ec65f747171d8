"""Which models are loaded when, and who waits for what."""

import asyncio
from contextlib import aclosing

import psutil
import pytest
from attrs import evolve

from pluggably.adapters.runners.engines import text_engine
from pluggably.domain.errors import (
    ModelBusy,
    ModelLoading,
    ModelNotFound,
    Overloaded,
    RunnerCrashed,
    RunnerOutOfMemory,
)
from pluggably.domain.generation import Completed, Started
from pluggably.domain.memory import PROCESS_BYTES, Footprint
from pluggably.domain.model import ModelStatus
from tests.builders import a_model, a_request

from .conftest import SCRIPTED, events_of
from .scripted import PATH

ROOM_FOR_ONE = PROCESS_BYTES * 3 // 2


async def begun(runners, request):
    """A task that consumes the request, once it has been given a place."""
    task = asyncio.create_task(events_of(runners, request))
    await asyncio.sleep(0)
    return task


async def test_first_requests_share_one_load(runners, folder):
    model = folder()
    model.put("hold-load")
    requests = [asyncio.create_task(events_of(runners, model.request("say 1"))) for _ in range(5)]
    await model.has("loads")
    assert runners.status("tiny") is ModelStatus.LOADING
    model.remove("hold-load")
    await asyncio.gather(*requests)
    assert runners.status("tiny") is ModelStatus.LOADED
    assert len(model.lines("loads")) == 1


async def test_one_who_stops_waiting_does_not_stop_the_load_for_others(runners, folder):
    model = folder()
    model.put("hold-load")
    leaves, stays = [await begun(runners, model.request("say 1")) for _ in range(2)]
    await model.has("loads")
    leaves.cancel()
    await asyncio.wait({leaves})
    model.remove("hold-load")
    assert isinstance((await stays)[-1], Completed)
    assert len(model.lines("loads")) == 1


async def test_a_loaded_model_answers_while_another_loads(runners, folder):
    quick, slow = folder("quick"), folder("slow")
    await events_of(runners, quick.request("say 1"))
    slow.put("hold-load")
    waits = await begun(runners, slow.request("say 1"))
    await slow.has("loads")
    assert isinstance((await events_of(runners, quick.request("say 1")))[-1], Completed)
    slow.remove("hold-load")
    await waits


async def test_a_model_that_cannot_be_loaded_says_so_each_time_it_is_asked(make_runners, folder):
    runners, model = make_runners(cooldown_s=0), folder()
    model.put("broken")
    for _ in range(2):
        with pytest.raises(RunnerCrashed) as failed:
            await events_of(runners, model.request("say 1"))
        assert "secret" not in str(failed.value)
    model.remove("broken")
    await events_of(runners, model.request("say 1"))


async def test_a_model_that_could_not_be_loaded_is_not_tried_again_at_once(make_runners, folder):
    runners, model = make_runners(cooldown_s=300), folder()
    model.put("broken")
    with pytest.raises(RunnerCrashed):
        await events_of(runners, model.request("say 1"))
    model.remove("broken")
    with pytest.raises(ModelLoading, match="could not be loaded") as refused:
        await events_of(runners, model.request("say 1"))
    assert 290 < refused.value.retry_after_s <= 300
    assert len(model.lines("loads")) == 1
    await runners.load(model.request("say 1").model)  # by hand it is tried at once
    await events_of(runners, model.request("say 1"))
    assert len(model.lines("loads")) == 2


async def test_a_load_by_hand_is_no_other_than_that_of_the_first_request(runners, folder):
    model = folder()
    model.put("hold-load")
    loads = [asyncio.create_task(runners.load(model.request("x").model)) for _ in range(2)]
    asked = await begun(runners, model.request("say 1"))
    await model.has("loads")
    assert runners.status("tiny") is ModelStatus.LOADING
    with pytest.raises(ModelBusy):
        await runners.unload("tiny")
    model.remove("hold-load")
    await asyncio.gather(asked, *loads)
    assert (runners.status("tiny"), len(model.lines("loads"))) == (ModelStatus.LOADED, 1)


async def test_unloading_gives_the_memory_back_and_is_no_error_twice(runners, folder):
    model = folder()
    await runners.load(model.request("x").model)
    process = int(model.lines("loads")[0])
    for _ in range(2):
        await runners.unload("tiny")
    assert runners.status("tiny") is ModelStatus.AVAILABLE
    assert not psutil.pid_exists(process)


async def test_a_busy_model_is_not_unloaded_by_hand(runners, folder):
    model = folder()
    running = await begun(runners, model.request("hold"))
    await model.has("holding")
    with pytest.raises(ModelBusy):
        await runners.unload("tiny")
    model.put("release")
    assert isinstance((await running)[-1], Completed)


async def test_a_pinned_model_does_not_make_room_for_others(make_runners, folder):
    runners = make_runners(memory_limit_bytes=PROCESS_BYTES, memory_wait_s=0.05)
    pinned, other = folder("pinned"), folder("other")
    runners.keep({"pinned"})
    await events_of(runners, pinned.request("say 1"))
    with pytest.raises(Overloaded, match="memory"):
        await events_of(runners, other.request("say 1"))
    assert runners.status("pinned") is ModelStatus.LOADED
    runners.keep(())
    assert isinstance((await events_of(runners, other.request("say 1")))[-1], Completed)
    assert runners.status("pinned") is ModelStatus.AVAILABLE


async def test_a_pinned_model_stays_when_nobody_uses_it_and_goes_once_it_is_not_pinned(make_runners, folder):
    runners, pinned, other = make_runners(keep_alive_s=0), folder("pinned"), folder("other")
    runners.keep({"pinned"})
    for model in (pinned, other):
        await events_of(runners, model.request("say 1"))
    await other.has("closes")
    assert runners.status("pinned") is ModelStatus.LOADED
    runners.keep(())
    await pinned.has("closes")


async def test_files_that_were_replaced_are_not_kept_for_their_name_being_pinned(make_runners, folder):
    runners, old, new = make_runners(keep_alive_s=0), folder("old"), folder("new")
    runners.keep({"old"})
    await events_of(runners, old.request("say 1"))
    await events_of(runners, a_request("say 1", model=evolve(new.request("x").model, id="old")))
    await old.has("closes")
    assert runners.status("old") is ModelStatus.LOADED
    assert new.lines("closes") == []


async def test_a_pinned_model_is_unloaded_by_hand(runners, folder):
    runners.keep({"tiny"})
    await runners.load(folder().request("x").model)
    await runners.unload("tiny")
    assert runners.status("tiny") is ModelStatus.AVAILABLE


async def test_a_full_queue_turns_away_and_says_when_to_come_again(make_runners, folder):
    runners, model = make_runners(parallel=2, queue_limit=1), folder()
    running = [await begun(runners, model.request(f"hold {n}")) for n in range(2)]
    await model.has("holding", 2)
    waiting = await begun(runners, model.request("hold 3"))
    with pytest.raises(Overloaded) as refused:
        await events_of(runners, model.request("say 1"))
    assert refused.value.retry_after_s >= 1
    assert len(model.lines("holding")) == 2
    model.put("release")
    await asyncio.gather(*running, waiting)


async def test_an_engine_that_wants_one_request_at_a_time_gets_no_more(make_runners, folder):
    alone = {"scripted": evolve(SCRIPTED["scripted"], parallel=1)}
    runners, model = make_runners(engines=alone, parallel=8, queue_limit=0), folder()
    running = await begun(runners, model.request("hold"))
    await model.has("holding")
    with pytest.raises(Overloaded, match="works on 1 requests"):
        await events_of(runners, model.request("say 1"))
    model.put("release")
    await running
    assert isinstance((await events_of(runners, model.request("say 1")))[-1], Completed)


async def test_a_place_in_the_queue_is_free_again_when_its_owner_leaves(make_runners, folder):
    runners, model = make_runners(parallel=1, queue_limit=1), folder()
    running = await begun(runners, model.request("hold"))
    await model.has("holding")
    leaves = await begun(runners, model.request("say 1"))
    leaves.cancel()
    await asyncio.wait({leaves})
    stays = await begun(runners, model.request("say 1"))
    model.put("release")
    assert isinstance((await stays)[-1], Completed)
    await running


async def test_a_request_starts_when_it_no_longer_waits(make_runners, folder):
    runners, model = make_runners(parallel=1), folder()
    running = await begun(runners, model.request("hold"))
    await model.has("holding")
    async with aclosing(runners.generate(model.request("say 1"))) as events:
        first = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        assert not first.done()
        model.put("release")
        assert await first == Started()
    await running


async def test_the_least_recently_used_model_makes_room(make_runners, folder):
    runners = make_runners(memory_limit_bytes=PROCESS_BYTES * 2)
    first, second, third = folder("first"), folder("second"), folder("third")
    for model in (first, second, first):
        await events_of(runners, model.request("say 1"))
    limit = sum(psutil.Process(int(it.lines("loads")[0])).memory_info().rss for it in (first, second)) + PROCESS_BYTES
    runners.memory_limit_bytes = limit - 1
    await events_of(runners, third.request("say 1"))
    assert [runners.status(it) for it in ("first", "second", "third")] == ["loaded", "available", "loaded"]
    assert not psutil.pid_exists(int(second.lines("loads")[0]))


async def test_a_busy_model_is_not_unloaded_and_the_other_waits_for_it(make_runners, folder):
    runners = make_runners(memory_limit_bytes=ROOM_FOR_ONE)
    runners.memory_limit_bytes = PROCESS_BYTES
    busy, other = folder("busy"), folder("other")
    running = await begun(runners, busy.request("hold"))
    await busy.has("holding")
    waits = await begun(runners, other.request("say 1"))
    assert runners.status("busy") is ModelStatus.LOADED
    assert other.lines("loads") == []
    busy.put("release")
    assert isinstance((await running)[-1], Completed)
    assert isinstance((await waits)[-1], Completed)
    assert runners.status("busy") is ModelStatus.AVAILABLE


async def test_who_waits_too_long_for_busy_models_is_turned_away(make_runners, folder):
    runners = make_runners(memory_limit_bytes=PROCESS_BYTES, memory_wait_s=0.05)
    busy, other = folder("busy"), folder("other")
    running = await begun(runners, busy.request("hold"))
    await busy.has("holding")
    with pytest.raises(Overloaded, match="memory"):
        await events_of(runners, other.request("say 1"))
    busy.put("release")
    assert isinstance((await running)[-1], Completed)


async def test_a_model_larger_than_all_memory_is_refused_at_once(make_runners, folder):
    with pytest.raises(RunnerOutOfMemory, match="MiB"):
        await events_of(make_runners(memory_limit_bytes=PROCESS_BYTES - 1), folder().request("say 1"))


async def test_a_model_counts_for_what_its_engine_makes_of_its_files(make_runners, folder):
    widening = text_engine("scripted", PATH, footprint=Footprint(widens_float16=True, context="none"))
    size = 10 * 2**20
    runners = make_runners(engines={"scripted": widening}, memory_limit_bytes=PROCESS_BYTES + size)
    request = folder().request("say 1")
    wide, narrow = (evolve(request.model, size_bytes=size, quantization=it) for it in ("F32", "F16"))
    await events_of(runners, evolve(request, model=wide))
    with pytest.raises(RunnerOutOfMemory):
        await events_of(runners, evolve(request, model=evolve(narrow, id="narrow")))


async def test_a_model_that_nobody_uses_is_unloaded_and_loaded_again_when_asked(make_runners, folder):
    runners, model = make_runners(keep_alive_s=0), folder()
    await events_of(runners, model.request("say 1"))
    await model.has("closes")
    await events_of(runners, model.request("say 1"))
    assert len(model.lines("loads")) == 2


async def test_a_model_stays_while_it_is_in_use(make_runners, folder):
    runners, model = make_runners(keep_alive_s=0), folder()
    running = await begun(runners, model.request("hold"))
    await model.has("holding")
    await events_of(runners, model.request("say 1"))
    assert runners.status("tiny") is ModelStatus.LOADED
    model.put("release")
    await running
    await model.has("closes")


async def test_a_model_of_an_unknown_engine_is_not_found(runners):
    with pytest.raises(ModelNotFound, match="engine"):
        await events_of(runners, a_request("hi", model=a_model(engine="steam", path="/nowhere")))


async def test_other_files_under_the_same_id_are_another_model(runners, folder):
    old, new = folder("old"), folder("new")
    await events_of(runners, old.request("say 1"))
    await events_of(runners, a_request("say 1", model=evolve(new.request("say 1").model, id=old.request("x").model.id)))
    assert len(new.lines("loads")) == 1
