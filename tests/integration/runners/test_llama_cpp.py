"""What llama.cpp makes of every parameter, of long conversations, and of being cancelled."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import aclosing

import psutil
import pytest
import pytest_asyncio
from attrs import evolve

from pluggably.adapters.runners.pool import LocalRunners
from pluggably.domain.errors import ContextLengthExceeded, GatewayError, InvalidRequest, RunnerCrashed
from pluggably.domain.generation import (
    Completed,
    FinishReason,
    ImagePart,
    Message,
    Role,
    Started,
    TextDelta,
    TextPart,
    ToolCallPart,
    text_message,
)
from tests.builders import a_gguf_model, a_request

from .conftest import events_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SEA = "Write a sentence about the sea."


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runners():
    runners = LocalRunners(keep_alive_s=-1, threads=1)  # two that share a core with other tests hinder each other
    yield runners
    await runners.close()


@pytest.fixture
def model(demo_gguf):
    return a_gguf_model(demo_gguf, context_length=1024)


@pytest.fixture
def ask(runners, model):
    async def ask(*messages, **parameters) -> Completed:
        request = a_request(*messages, model=model, **({"max_tokens": 24} | parameters))
        return (await events_of(runners, request))[-1]

    return ask


@pytest.fixture
def text_of(ask):
    async def text_of(*messages, **parameters) -> str:
        return (await ask(*messages, **parameters)).output[0].text

    return text_of


async def test_the_same_seed_gives_the_same_text_and_others_give_others(text_of):
    assert await text_of(SEA, seed=1) == await text_of(SEA, seed=1)
    assert len({await text_of(SEA, seed=seed) for seed in range(4)}) > 1


async def test_without_a_seed_texts_differ(text_of):
    assert len({await text_of(SEA) for _ in range(4)}) > 1


@pytest.mark.parametrize("certain", [{"temperature": 0.0}, {"top_k": 1}, {"top_p": 0.0}, {"min_p": 1.0}])
async def test_parameters_that_leave_only_the_likeliest_token_leave_no_choice(text_of, certain):
    assert len({await text_of(SEA, seed=seed, **certain) for seed in range(3)}) == 1


async def test_a_high_temperature_varies_more(text_of):
    mild = {await text_of(SEA, seed=seed, temperature=0.01, max_tokens=8) for seed in range(3)}
    wild = {await text_of(SEA, seed=seed, temperature=2.0, max_tokens=8, top_p=1.0, min_p=0.0) for seed in range(3)}
    assert len(mild) < len(wild)


async def test_a_repetition_penalty_keeps_a_text_from_repeating_itself(text_of):
    words = ("Say the word yes forever: yes yes yes yes yes yes yes yes",)
    plain = await text_of(*words, temperature=0.0, max_tokens=64)
    varied = await text_of(*words, temperature=0.0, max_tokens=64, repetition_penalty=1.8)
    assert len(set(varied.split())) / len(varied.split()) > len(set(plain.split())) / len(plain.split())


async def test_a_text_ends_before_a_stop_string_that_spans_tokens(runners, model, text_of):
    whole = await text_of(SEA, temperature=0.0)
    middle = len(whole) // 2
    stop = whole[middle : middle + 7]
    request = a_request(SEA, model=model, temperature=0.0, max_tokens=24, stop=(stop,))
    events = await events_of(runners, request)
    assert events[-1].output[0].text == whole[: whole.index(stop)]
    assert events[-1].finish_reason is FinishReason.STOP
    assert "".join(e.text for e in events if isinstance(e, TextDelta)) == events[-1].output[0].text


async def test_the_text_of_a_schema_is_json_of_that_schema(ask):
    schema = {
        "type": "object",
        "properties": {"colour": {"enum": ["red", "green"]}, "count": {"type": "integer", "minimum": 0, "maximum": 9}},
        "required": ["colour", "count"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}}
    answer = await ask("Describe a ball.", response_format=form, max_tokens=64)
    thing = json.loads(answer.output[0].text)
    assert thing["colour"] in ("red", "green")
    assert thing["count"] in range(10)


async def test_json_without_a_schema_is_an_object(ask):
    answer = await ask("Give an object with one key.", response_format={"type": "json_object"}, max_tokens=200, seed=3)
    text = answer.output[0].text
    assert text.startswith("{")
    assert answer.finish_reason is FinishReason.LENGTH or isinstance(json.loads(text), dict)


@pytest.mark.parametrize(
    "form", [{"type": "xml"}, {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}]
)
async def test_a_format_that_cannot_be_kept_is_refused(ask, form):
    with pytest.raises(InvalidRequest, match="response_format"):
        await ask("hi", response_format=form)


async def test_characters_of_several_tokens_arrive_whole(runners, model):
    request = a_request("Repeat exactly: 漢字 😀 漢字 😀", model=model, temperature=0.0, max_tokens=24)
    texts = [event.text for event in await events_of(runners, request) if isinstance(event, TextDelta)]
    assert any(not text.isascii() for text in texts)
    assert not any("\ufffd" in text for text in texts)


@pytest.mark.parametrize(
    "message",
    [
        Message(Role.USER, (TextPart("What is this?"), ImagePart("data:image/png;base64,AA=="))),
        Message(Role.ASSISTANT, (ToolCallPart("call_1", "clock", "{}"),)),
        text_message(Role.TOOL, "12:00"),
    ],
    ids=["an image", "a tool call", "a tool result"],
)
async def test_what_the_model_cannot_see_is_refused_not_dropped(ask, message):
    with pytest.raises(InvalidRequest, match="/input/1"):
        await ask("hi", message)


async def test_tools_are_refused(ask):
    with pytest.raises(InvalidRequest, match="/parameters/tools"):
        await ask("hi", tools=({"type": "function"},))


async def test_a_request_that_does_not_stream_gets_the_whole_alone(runners, model):
    request = evolve(a_request(SEA, model=model, max_tokens=8), stream=False)
    events = await events_of(runners, request)
    assert not any(isinstance(event, TextDelta) for event in events)
    assert events[-1].usage.output_tokens == 8


async def test_too_long_a_conversation_is_refused_with_both_lengths(ask):
    with pytest.raises(ContextLengthExceeded, match=r"1[12]\d\d tokens.* 1024"):
        await ask("word " * 1100)


async def test_one_conversation_may_fill_the_whole_context_and_then_ends_with_length(ask):
    endless = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "string", "minLength": 1500}}}
    answer = await ask("word " * 950, max_tokens=None, response_format=endless)
    assert answer.finish_reason is FinishReason.LENGTH
    assert answer.usage.input_tokens + answer.usage.output_tokens == 1024


async def test_a_conversation_continues_from_its_cached_prefix_with_others_in_between(ask):
    story = "The quick brown fox jumps over the lazy dog. " * 40
    first = await ask(story, max_tokens=8)
    for number in range(10):
        await ask(f"{number} is a number. Is it?", max_tokens=1)
    said = text_message(Role.ASSISTANT, first.output[0].text)
    second = await ask(story, said, "And then?", max_tokens=1)
    assert second.usage.cached_input_tokens > 0.9 * first.usage.input_tokens


async def test_eight_requests_are_generated_at_once(runners, model):
    request = a_request("Tell a story.", model=model, max_tokens=64, seed=1)
    begun, order = [asyncio.Event() for _ in range(8)], []

    async def follow(number: int) -> None:
        async for event in runners.generate(request):
            if isinstance(event, TextDelta):
                begun[number].set()
            elif isinstance(event, Completed):
                order.append(all(it.is_set() for it in begun))

    await asyncio.gather(*(follow(number) for number in range(8)))
    assert order[0], "all had begun before the first was done"


async def test_a_cancelled_output_stops_the_work(runners, model):
    request = a_request("Count up to a thousand in words.", model=model, temperature=0.0)
    async with aclosing(runners.generate(request)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
    await has_nothing_left_to_do(runners, model)


async def test_a_cancelled_prompt_stops_the_work(runners, model):
    await events_of(runners, a_request("hi", model=model, max_tokens=1))
    before, heard = cpu_s(), []

    async def listen() -> None:
        async for event in runners.generate(a_request("Pack my box with jugs. " * 140, model=model)):
            heard.append(event)

    task = asyncio.create_task(listen())
    while cpu_s() - before < 0.1:  # it reads the prompt
        await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait({task})
    assert heard == [Started()]
    await has_nothing_left_to_do(runners, model)


async def has_nothing_left_to_do(runners, model) -> None:
    await events_of(runners, a_request("hi", model=model, max_tokens=1))  # what was cancelled has been noticed by then
    before = cpu_s()
    await asyncio.sleep(0.5)
    assert cpu_s() - before < 0.1


def cpu_s() -> float:
    """The processor time that the model has taken so far."""
    return sum(the_child().cpu_times()[:2])


def the_child() -> psutil.Process:
    """The process of the one model that is loaded."""
    children = [it for it in psutil.Process().children() if "pluggably.adapters.runners.child" in it.cmdline()]
    assert len(children) == 1
    return children[0]


async def test_a_killed_model_fails_its_request_and_answers_the_next(runners, model):
    with pytest.raises(RunnerCrashed):
        async for event in runners.generate(a_request(model=model, max_tokens=500)):
            if isinstance(event, TextDelta):
                the_child().send_signal(signal.SIGKILL)
    assert isinstance((await events_of(runners, a_request(model=model, max_tokens=2)))[-1], Completed)


async def test_the_model_listens_on_no_port_and_leaves_no_socket_file(runners, model):
    await events_of(runners, a_request("hi", model=model, max_tokens=1))
    process = the_child()
    assert [it for it in process.net_connections("inet") if it.status == psutil.CONN_LISTEN] == []
    listening = [it.laddr for it in process.net_connections("unix") if str(it.laddr).endswith(".sock")]
    assert listening
    assert not any(map(os.path.exists, listening))


async def test_the_server_answers_nobody_without_the_key(demo_gguf, tmp_path):
    script = """
import http.client, socket, sys, xllamacpp
from pluggably.adapters.runners.engine import EngineOptions
from pluggably.adapters.runners.llama_cpp import to_params

def status(method, path, key):
    connection = http.client.HTTPConnection("llama")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(sys.argv[2])
    connection.request(method, path, '{"content":"a"}', {"Authorization": f"Bearer {key}"})
    return connection.getresponse().status

server = xllamacpp.Server(to_params(EngineOptions(path=sys.argv[1], context_length=256), sys.argv[2], "the-key"))
for key in ("", "another", "the-key"):
    print(*(status("POST", path, key) for path in ("/tokenize", "/completion", "/v1/chat/completions")),
          status("GET", "/props", key), status("GET", "/v1/models", key))
"""
    command = [sys.executable, "-c", script, str(demo_gguf), str(tmp_path / "x.sock")]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    refused, also_refused, allowed = done.stdout.splitlines()[-3:]
    assert refused == also_refused == "401 401 401 401 401"
    assert "401" not in allowed


async def test_a_file_that_is_no_model_fails_without_a_path(tmp_path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF nonsense")
    runners = LocalRunners()
    with pytest.raises(GatewayError) as failed:
        await events_of(runners, a_request(model=a_gguf_model(path)))
    await runners.close()
    assert isinstance(failed.value, RunnerCrashed)
    assert str(tmp_path) not in str(failed.value)
