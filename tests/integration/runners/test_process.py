"""What happens in a model's process, and when it ends."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import aclosing

import psutil
import pytest
import structlog

from pluggably.domain.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    RunnerCrashed,
    RunnerOutOfMemory,
    StreamInterrupted,
    Violation,
)
from pluggably.domain.generation import Completed, Started, TextDelta

from .conftest import events_of


async def test_a_killed_process_fails_its_requests_and_the_next_one_starts_it_again(runners, folder):
    model = folder()
    held = [asyncio.create_task(events_of(runners, model.request(f"hold {n}"))) for n in range(2)]
    await model.has("holding", 2)
    os.kill(int(model.lines("loads")[0]), signal.SIGKILL)
    for task in held:
        with pytest.raises(RunnerCrashed, match="signal 9"):
            await task
    assert isinstance((await events_of(runners, model.request("say 3")))[-1], Completed)
    assert len(model.lines("loads")) == 2


async def test_what_was_said_before_a_crash_arrives_and_the_engines_last_words_are_logged(runners, folder):
    heard = []
    with structlog.testing.capture_logs() as logs, pytest.raises(RunnerCrashed) as crash:
        async for event in runners.generate(folder().request("die")):
            heard.append(event)
    assert heard == [Started(), TextDelta("alive")]
    assert ["last words"] in [entry["output"] for entry in logs if entry["event"] == "runner.crashed"]
    assert "last words" not in str(crash.value)


async def test_an_error_of_the_domain_crosses_with_all_it_says(runners, folder):
    model = folder()
    with pytest.raises(ContextLengthExceeded, match="2000 tokens, 1000 allowed"):
        await events_of(runners, model.request("overflow"))
    with pytest.raises(InvalidRequest) as refused:
        await events_of(runners, model.request("refuse"))
    assert refused.value.violations == (Violation(pointer="/parameters/top_k", message="not here", allowed=("top_p",)),)


async def test_a_foreign_error_fails_the_request_alone_and_tells_nothing_of_itself(runners, folder):
    model = folder()
    with pytest.raises(RunnerCrashed) as failed:
        await events_of(runners, model.request("fail"))
    assert "secret" not in str(failed.value)
    await events_of(runners, model.request("say 1"))
    assert len(model.lines("loads")) == 1


async def test_running_out_of_memory_is_told_as_such(runners, folder):
    model = folder()
    with pytest.raises(RunnerOutOfMemory):
        await events_of(runners, model.request("exhaust"))
    small = folder("small")
    small.put("no-memory")
    with pytest.raises(RunnerOutOfMemory):
        await events_of(runners, small.request("say 1"))


async def test_an_output_without_an_end_is_no_success(runners, folder):
    with pytest.raises(StreamInterrupted):
        await events_of(runners, folder().request("vanish"))


async def test_closing_the_generator_stops_the_engine(runners, folder):
    model = folder()
    async with aclosing(runners.generate(model.request("hold"))) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    await model.has("stopped")


async def test_cancelling_the_task_stops_the_engine(runners, folder):
    model = folder()
    task = asyncio.create_task(events_of(runners, model.request("hold")))
    await model.has("holding")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await model.has("stopped")


async def test_a_slow_reader_gets_everything_and_holds_up_nobody(runners, folder):
    model = folder()
    slow = runners.generate(model.request("say 5000"))
    while not isinstance(await anext(slow), TextDelta):
        pass
    await model.has("said")  # the engine is done, though nobody reads
    await events_of(runners, model.request("say 3"))
    rest = [event async for event in slow]
    assert "word0 " + "".join(e.text for e in rest if isinstance(e, TextDelta)) == rest[-1].output[0].text
    assert len(rest) < 300  # what waited came as few, longer deltas


async def test_a_closed_service_leaves_no_process(make_runners, folder):
    runners, model, loading = make_runners(), folder(), folder("loading")
    loading.put("hold-load")
    held = asyncio.create_task(events_of(runners, model.request("hold")))
    waits = asyncio.create_task(events_of(runners, loading.request("say 1")))
    await model.has("holding")
    await loading.has("loads")
    await runners.close()
    assert [type(error).__name__ for error in await asyncio.gather(held, waits, return_exceptions=True)] == [
        "Draining"
    ] * 2
    assert not any(psutil.pid_exists(int(pid)) for pid in model.lines("loads") + loading.lines("loads"))
    assert model.lines("closes")


GATEWAY = """
import asyncio, sys
from tests.integration.runners.conftest import SCRIPTED, events_of
from pluggably.adapters.runners.pool import LocalRunners
from pluggably.domain.generation import Message, Role, TextPart, GenerationRequest
from tests.builders import a_model, a_request

model = a_model("tiny", path=sys.argv[1], engine="scripted", size_bytes=0)
asyncio.run(events_of(LocalRunners(engines=SCRIPTED), a_request(sys.argv[2], model=model)))
"""


@pytest.mark.parametrize(
    ("prompt", "obstacle"),
    [("hold", None), ("freeze", None), ("say 1", "hold-load"), ("say 1", "hold-lock")],
    ids=["while it works", "in a native call", "while it loads", "in a native load"],
)
async def test_a_killed_gateway_leaves_no_process(folder, prompt, obstacle):
    model = folder()
    if obstacle:
        model.put(obstacle)
    gateway = await asyncio.create_subprocess_exec(sys.executable, "-c", GATEWAY, str(model.path), prompt)
    await model.has("holding" if prompt == "hold" else "loads")
    child = psutil.Process(int(model.lines("loads")[0]))
    gateway.kill()
    await gateway.wait()
    assert await asyncio.to_thread(psutil.wait_procs, [child], 20) == ([child], [])


def test_the_gateway_imports_no_engine():
    script = (
        "import sys, json, pluggably.adapters.runners.pool\n"
        "print(json.dumps([name for name in ('torch', 'transformers', 'xllamacpp', 'numpy') if name in sys.modules]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
