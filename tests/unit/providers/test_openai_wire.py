import json

import msgspec
import pytest
from attrs import evolve

from pluggably.adapters.providers.openai.chat_wire import StreamedChat, from_wire, to_wire
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
    text_message,
)

from ...builders import a_model, a_request
from ...integration.providers.openai_server import chunk, completion, usage


def wire(*messages, **parameters) -> dict:
    return json.loads(to_wire(a_request(*messages, model=a_model(upstream="gpt-4o"), **parameters)))


def streamed(*chunks: dict | str, request=None) -> tuple[list, StreamedChat]:
    answer = StreamedChat(request or a_request("Hi"))
    payloads = [c.encode() if isinstance(c, str) else json.dumps(c).encode() for c in chunks]
    return [delta for payload in payloads for delta in answer.take(payload)], answer


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_text_is_sent_as_plain_strings_under_the_providers_own_model_name():
    body = wire(text_message(Role.SYSTEM, "Be brief."), "Hello")
    assert body["model"] == "gpt-4o"
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]


def test_a_parameter_goes_out_under_the_servers_own_name_for_it():
    body = json.loads(
        to_wire(a_request("Hi", repetition_penalty=1.1, top_p=0.5), {"repetition_penalty": "repeat_penalty"})
    )
    assert (body["repeat_penalty"], body["top_p"]) == (1.1, 0.5)
    assert "repetition_penalty" not in body


def test_pictures_go_beside_the_words():
    parts = (TextPart("What is this?"), ImagePart("https://example.com/a.png"), ImagePart("data:image/png;base64,AA=="))
    assert wire(Message(Role.USER, parts))["messages"][0]["content"] == [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]


def test_tool_calls_and_their_results_are_messages_of_their_own():
    called = Message(Role.ASSISTANT, (ToolCallPart("c1", "add", '{"a":1}'), ToolCallPart("c2", "add", "{}")))
    answered = Message(Role.TOOL, (ToolResultPart("c1", "3"), ToolResultPart("c2", "0")))
    assert wire("Add", called, answered)["messages"][1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}},
                {"id": "c2", "type": "function", "function": {"name": "add", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "3"},
        {"role": "tool", "tool_call_id": "c2", "content": "0"},
    ]


def test_an_answer_without_words_stays_in_the_conversation():
    assert wire("Hi", Message(Role.ASSISTANT, ()))["messages"][1] == {"role": "assistant", "content": ""}


def test_every_parameter_that_is_given_is_sent_and_no_other():
    given = {
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 40,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "stop": ("a", "b"),
        "seed": 7,
        "response_format": {"type": "json_object"},
        "tools": ({"type": "function", "function": {"name": "add"}},),
        "tool_choice": "auto",
    }
    body = wire("Hi", **given)
    assert {name: body[name] for name in given} == msgspec.to_builtins(given) | {"stop": ["a", "b"]} | {
        "tools": list(given["tools"])
    }
    assert set(wire("Hi")) == {"model", "messages", "stream", "stream_options"}


def test_only_a_streamed_request_asks_for_a_stream_and_for_its_usage():
    request = a_request("Hi")
    assert json.loads(to_wire(request))["stream_options"] == {"include_usage": True}
    assert "stream" not in json.loads(to_wire(evolve(request, stream=False)))


# ── Whole answers ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_completion_is_read_whole():
    result = from_wire(json.dumps(completion("Hello.")).encode(), a_request("Hi", seed=3))
    assert result.output == (TextPart("Hello."),)
    assert result.finish_reason is FinishReason.STOP
    assert result.usage == Usage(input_tokens=9, output_tokens=2, cached_input_tokens=4, source="provider")
    assert (result.seed, result.resolved_model) == (3, "gpt-test-2026")


def test_a_completion_may_call_tools():
    call = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    body = completion(None, "tool_calls", tool_calls=[call])
    result = from_wire(json.dumps(body).encode(), a_request("Hi"))
    assert result.output == (ToolCallPart("c1", "add", "{}"),)
    assert result.finish_reason is FinishReason.TOOL_CALLS


def test_what_a_model_refuses_with_is_its_output():
    result = from_wire(json.dumps(completion(None, refusal="I cannot.")).encode(), a_request("Hi"))
    assert result.output == (TextPart("I cannot."),)


def test_tokens_that_nobody_counted_are_estimated_from_the_bytes_and_said_to_be():
    body = completion("12345678") | {"usage": None}
    result = from_wire(json.dumps(body).encode(), a_request("12345"))
    assert result.usage == Usage(input_tokens=2, output_tokens=2, source="estimated")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>Bad gateway</html>",
        b"\xff\xfe",
        b'{"choices":[]}',
        json.dumps(completion(finish_reason=None)).encode(),
        json.dumps(completion(finish_reason="abort")).encode(),
        json.dumps(completion()).encode()[:-20],
        b'{"error":{"message":"secret detail"}}',
        b'{"error":"secret detail"}',
    ],
)
def test_what_is_no_completion_is_a_bad_response(body):
    with pytest.raises(errors.ProviderBadResponse) as caught:
        from_wire(body, a_request("Hi"))
    assert "secret" not in str(caught.value)


# ── Streams ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_chunks_add_up():
    chunks = [chunk("", role="assistant"), chunk("Hel"), chunk("lo"), chunk(finish_reason="stop"), usage(2), "[DONE]"]
    deltas, answer = streamed(*chunks)
    assert deltas == [TextDelta("Hel"), TextDelta("lo")]
    assert answer.done
    assert answer.completed().output == (TextPart("Hello"),)
    assert answer.completed().usage == Usage(input_tokens=9, output_tokens=2, source="provider")
    assert answer.completed().resolved_model == "gpt-test-2026"


def test_usage_counts_also_when_it_comes_with_the_last_choice():
    _, answer = streamed(chunk("a"), chunk(finish_reason="stop") | {"usage": usage(7)["usage"]})
    assert answer.completed().usage.output_tokens == 7


def test_tool_calls_come_in_pieces():
    def call(index, arguments, **more):
        return chunk(tool_calls=[{"index": index, "function": {"arguments": arguments} | more.pop("f", {}), **more}])

    deltas, answer = streamed(
        call(0, "", id="c1", f={"name": "add"}),
        call(0, '{"a"'),
        call(1, "{}", id="c2", f={"name": "now"}),
        call(0, ":1}"),
        chunk(finish_reason="tool_calls"),
    )
    assert deltas[0] == ToolCallDelta(0, "c1", "add", "")
    assert deltas[1] == ToolCallDelta(0, arguments='{"a"')
    assert answer.completed().output == (ToolCallPart("c1", "add", '{"a":1}'), ToolCallPart("c2", "now", "{}"))


def test_only_the_first_output_is_read():
    other = chunk("B", "stop")
    other["choices"][0]["index"] = 1
    deltas, answer = streamed(chunk("A"), other)
    assert deltas == [TextDelta("A")]
    with pytest.raises(errors.StreamInterrupted):
        answer.completed()


@pytest.mark.parametrize("last", [[], ["[DONE]"], [chunk(finish_reason="error"), "[DONE]"]])
def test_a_stream_that_does_not_say_why_it_ended_was_interrupted(last):
    _, answer = streamed(chunk("Hel"), *last)
    with pytest.raises(errors.StreamInterrupted):
        answer.completed()


@pytest.mark.parametrize(
    ("event", "error"),
    [
        ({"error": {"message": "m", "code": 429}}, errors.ProviderRateLimited),
        ({"error": {"message": "m", "code": "context_length_exceeded"}}, errors.ContextLengthExceeded),
        ({"error": {"message": "m", "type": "overloaded_error"}}, errors.ProviderOverloaded),
        ({"error": {"message": "m"}}, errors.ProviderError),
        ({"error": "m"}, errors.ProviderError),
        ("{truncat", errors.ProviderBadResponse),
    ],
)
def test_an_error_inside_a_stream_is_raised(event, error):
    with pytest.raises(error):
        streamed(chunk("Hel"), event)
