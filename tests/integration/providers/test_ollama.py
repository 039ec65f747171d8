"""What the `ollama` provider asks for, and what it makes of the answers."""

import json

import pytest
from attrs import evolve

from pluggably.domain import errors
from pluggably.domain.generation import (
    FinishReason,
    ImagePart,
    Message,
    Role,
    TextDelta,
    TextPart,
    ToolCallDelta,
    ToolCallPart,
    ToolResultPart,
    Usage,
)

from ...builders import a_request
from .image_answers import answering
from .ollama_stub import OllamaStub, last, line, ollama, said, saying, whole
from .openai_server import Call, hang, hang_up, stalling_body
from .solids import SECRET, error_of, events_of

TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}


def asked_of(provider, *messages, stream=True, **parameters):
    request = a_request(*messages or ("Hi",), model=provider.match("stub/llama3.2"), **parameters)
    return evolve(request, stream=stream)


async def sent(*messages, settings=None, **request) -> dict:
    """What the server is asked."""
    async with ollama(OllamaStub(saying(last())), **(settings or {})) as (provider, server):
        await events_of(provider, asked_of(provider, *messages, **request))
    return server.calls[0].body


# ── Asking ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_conversation_is_sent_and_must_not_be_cut_off():
    system = Message(Role.SYSTEM, (TextPart("Be brief."),))
    assert await sent(system, "Hi") == {
        "model": "llama3.2",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "truncate": False,
        "options": {},
    }


async def test_parameters_are_options_under_ollamas_names():
    wanted = {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "min_p": 0.05, "seed": 7, "stop": ("END",)}
    body = await sent(max_tokens=32, repetition_penalty=1.1, stream=False, **wanted)
    others = {"num_predict": 32, "repeat_penalty": 1.1, "stop": ["END"]}
    assert body["options"] == wanted | others
    assert body["stream"] is False


async def test_what_the_operator_wants_is_sent_with_each_request():
    body = await sent(settings={"keep_alive": "10m", "num_ctx": 8192})
    assert (body["keep_alive"], body["options"]) == ("10m", {"num_ctx": 8192})


@pytest.mark.parametrize(
    ("wanted", "sent_as"),
    [
        ({"type": "json_object"}, {"format": "json"}),
        (
            {"type": "json_schema", "json_schema": {"name": "it", "schema": {"type": "object"}}},
            {"format": {"type": "object"}},
        ),
        ({"type": "text"}, {}),
    ],
)
async def test_a_format_of_the_output_is_asked_for(wanted, sent_as):
    body = await sent(response_format=wanted)
    assert {name: it for name, it in body.items() if name == "format"} == sent_as


async def test_tools_their_calls_and_their_results_are_sent():
    call = Message(Role.ASSISTANT, (ToolCallPart("call_1", "weather", '{"city": "Oslo"}'),))
    result = Message(Role.TOOL, (ToolResultPart("call_1", "rain"),))
    body = await sent("Weather?", call, result, tools=(TOOL,))
    assert body["tools"] == [TOOL]
    function = {"name": "weather", "arguments": {"city": "Oslo"}}
    assert body["messages"][1:] == [
        {"role": "assistant", "content": "", "tool_calls": [{"id": "call_1", "function": function}]},
        {"role": "tool", "content": "rain", "tool_name": "weather", "tool_call_id": "call_1"},
    ]


async def test_pictures_are_sent_as_base64():
    message = Message(Role.USER, (TextPart("What is it?"), ImagePart("data:image/png;base64,iVBORw0KGgo=")))
    assert (await sent(message))["messages"] == [{"role": "user", "content": "What is it?", "images": ["iVBORw0KGgo="]}]


@pytest.mark.parametrize(
    ("pointer", "message", "wanted"),
    [
        ("/input", Message(Role.USER, (ImagePart("https://files.test/1.png"),)), {}),
        ("/input", Message(Role.ASSISTANT, (ToolCallPart("1", "weather", "Oslo"),)), {}),
        ("/input", Message(Role.ASSISTANT, (ToolCallPart("1", "weather", "[1]"),)), {}),
        ("/parameters/response_format", "Hi", {"response_format": {"type": "grammar"}}),
        ("/parameters/response_format", "Hi", {"response_format": {"type": "json_schema"}}),
    ],
)
async def test_what_ollama_does_not_take_is_refused(pointer, message, wanted):
    async with ollama(OllamaStub()) as (provider, server):
        raised = await error_of(provider, asked_of(provider, message, **wanted))
    assert [it.pointer for it in raised.violations] == [pointer]
    assert server.calls == []


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def events_from(answer, **request) -> list:
    async with ollama(OllamaStub(answer)) as (provider, _):
        return await events_of(provider, asked_of(provider, **request))


async def test_a_whole_answer_is_told_with_its_counts():
    completed = (await events_from(saying(whole("Hello.")), stream=False))[-1]
    assert completed.output == (TextPart("Hello."),)
    assert completed.usage == Usage(input_tokens=26, output_tokens=2)
    assert (completed.finish_reason, completed.resolved_model) == (FinishReason.STOP, "llama3.2")


async def test_thoughts_are_left_out_of_the_answer():
    events = await events_from(saying(said(thinking="Hm."), said("Hi"), last()))
    assert events[1:-1] == [TextDelta("Hi")]


@pytest.mark.parametrize("stream", [True, False])
async def test_tool_calls_are_told_whole(stream):
    calls = [
        {"function": {"name": "weather", "arguments": {"city": "Oslo"}}},
        {"id": "x", "function": {"name": "time"}},
    ]
    lines = [said(tool_calls=calls), last()] if stream else [whole("", tool_calls=calls)]
    events = await events_from(saying(*lines), stream=stream)
    first, second = events[-1].output
    assert json.loads(first.arguments) == {"city": "Oslo"}
    assert (first.name, first.id) == ("weather", "gen_test_0")
    assert second == ToolCallPart("x", "time", "{}")
    assert events[-1].finish_reason is FinishReason.TOOL_CALLS
    deltas = [ToolCallDelta(0, first.id, "weather", first.arguments), ToolCallDelta(1, "x", "time", "{}")]
    assert events[1:-1] == (deltas if stream else [])


async def test_counts_that_are_left_out_are_estimated_and_said_to_be():
    counts = {"prompt_eval_count": None, "eval_count": None}
    completed = (await events_from(saying(said("12345678"), last(**counts))))[-1]
    assert completed.usage == Usage(input_tokens=1, output_tokens=2, source="estimated")


async def test_a_last_line_without_a_line_end_counts():
    async def answer(call: Call) -> None:
        await call.answer(json.dumps(said("Hi")).encode() + b"\n" + json.dumps(last()).encode())

    assert (await events_from(answer))[-1].output == (TextPart("Hi"),)


# ── Failing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def failing(status: int, words: str = SECRET):
    return answering({"error": words}, status)


TOO_LONG = '{"error":{"code":400,"type":"exceed_context_size_error","n_prompt_tokens":8889,"n_ctx":4096}}'


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (hang_up, errors.ProviderUnreachable),
        (failing(400), errors.InvalidRequest),
        (failing(400, TOO_LONG), errors.ContextLengthExceeded),
        (failing(400, "the input length exceeds the context length"), errors.ContextLengthExceeded),
        (failing(401), errors.ProviderAuthFailed),
        (failing(404), errors.ModelNotFound),
        (answering(b"404 page not found", 404), errors.ProviderBadResponse),
        (failing(429), errors.ProviderRateLimited),
        (failing(500), errors.ProviderError),
        (failing(503), errors.ProviderOverloaded),
        (answering({"error": SECRET}), errors.ProviderError),
        (answering(b"<html>"), errors.ProviderBadResponse),
        (answering(b""), None),
        (answering(said("Hi")), errors.StreamInterrupted),
    ],
)
async def test_an_answer_that_is_none(answer, error, stream):
    async with ollama(OllamaStub(answer)) as (provider, server):
        raised = await error_of(provider, asked_of(provider, stream=stream))
    assert type(raised) is (error or errors.ProviderBadResponse)
    assert len(server.calls) == 1


async def end(call: Call) -> None:
    await call.end_stream()


@pytest.mark.parametrize(
    ("lines", "then", "error"),
    [
        ([said("Hi")], end, errors.StreamInterrupted),
        ([said("Hi")], hang_up, errors.StreamInterrupted),
        ([said("Hi")], hang, errors.StreamInterrupted),
        ([], hang, errors.ProviderTimeout),
        ([], hang_up, errors.ProviderBadResponse),
        ([said("Hi"), line(error=SECRET)], end, errors.ProviderError),
        ([said("Hi"), {"message": 5}], end, errors.ProviderBadResponse),
        ([said("Hi"), last("unload")], end, errors.StreamInterrupted),
    ],
)
async def test_a_stream_that_does_not_come_to_its_end(lines, then, error):
    stub = OllamaStub(saying(*lines, then=then))
    async with ollama(stub, first_byte_timeout_s=0.2, idle_timeout_s=0.1) as (provider, _):
        raised = await error_of(provider, asked_of(provider))
    assert type(raised) is error


async def test_an_answer_that_is_not_done_in_time():
    async with ollama(OllamaStub(stalling_body), first_byte_timeout_s=0.1) as (provider, _):
        assert type(await error_of(provider, asked_of(provider, stream=False))) is errors.ProviderTimeout


async def test_leaving_closes_the_connection():
    async with ollama(OllamaStub(saying(said("Hi"), then=hang))) as (provider, server):
        events = provider.generate(asked_of(provider))
        assert [await anext(events), await anext(events)][1] == TextDelta("Hi")
        await events.aclose()
        await server.left.wait()
