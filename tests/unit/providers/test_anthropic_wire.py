"""What goes to Anthropic and what comes back, without a network; the shapes are those of its documentation."""

import json

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.providers.anthropic.answer_wire import STATE, from_wire
from pluggably.adapters.providers.anthropic.request_wire import Defaults, to_wire
from pluggably.adapters.providers.anthropic.stream_wire import StreamedMessage
from pluggably.adapters.providers.verbatim import Verbatim
from pluggably.domain import errors
from pluggably.domain.generation import (
    BackendState,
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
from ...integration.providers.anthropic_server import (
    PING,
    STOP,
    begin,
    called,
    end,
    finish,
    message,
    more,
    said,
    start,
    text,
    thought,
    tool_use,
)

ADD = {"type": "function", "function": {"name": "add", "description": "Add", "parameters": {"type": "object"}}}


def asked(*messages, **parameters):
    return a_request(*(messages or ("Hi",)), model=a_model(upstream="claude-x", provider="acme"), **parameters)


def sent(request, defaults=None) -> bytes:
    return to_wire(request, defaults or Defaults(), Verbatim.of(request.state, STATE))


def wire(*messages, **parameters) -> dict:
    return json.loads(sent(asked(*messages, **parameters)))


def whole(body: dict, request=None):
    request = request or asked()
    return from_wire(json.dumps(body).encode(), request, Verbatim.of(request.state, STATE))


def streamed(*events: dict, request=None) -> tuple[list, StreamedMessage]:
    request = request or asked()
    answer = StreamedMessage(request, Verbatim.of(request.state, STATE))
    return [delta for event in events for delta in answer.take(json.dumps(event).encode())], answer


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_the_system_says_goes_apart_from_the_conversation():
    body = wire(text_message(Role.SYSTEM, "Be brief."), "Hello")
    assert body["system"] == "Be brief."
    assert body["messages"] == [{"role": "user", "content": "Hello"}]
    assert body["model"] == "claude-x"


def test_several_instructions_stay_apart_from_each_other():
    body = wire(text_message(Role.SYSTEM, "One."), "Hello", text_message(Role.SYSTEM, "Two."))
    assert body["system"] == [text("One."), text("Two.")]


def test_the_turns_of_a_conversation_alternate():
    body = wire("a", "b", text_message(Role.ASSISTANT, "c"), text_message(Role.ASSISTANT, "d"), "e")
    assert body["messages"] == [
        {"role": "user", "content": [text("a"), text("b")]},
        {"role": "assistant", "content": [text("c"), text("d")]},
        {"role": "user", "content": "e"},
    ]


def test_results_of_tools_come_first_in_the_turn_after_the_calls():
    calls = Message(Role.ASSISTANT, (ToolCallPart("c1", "add", '{"a":1.0}'), ToolCallPart("c2", "add", "")))
    results = [Message(Role.TOOL, (ToolResultPart("c1", "3"),)), Message(Role.TOOL, (ToolResultPart("c2", "0"),))]
    assert wire("Add", calls, results[0], "Go on", results[1])["messages"][1:] == [
        {"role": "assistant", "content": [tool_use("c1", a=1.0), tool_use("c2")]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c1", "content": "3"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "0"},
                text("Go on"),
            ],
        },
    ]


def test_arguments_go_back_as_they_were_written():
    calls = Message(Role.ASSISTANT, (ToolCallPart("c1", "add", '{"a": 1.50, "a_": 1e2}'),))
    assert b'"input":{"a": 1.50, "a_": 1e2}' in sent(asked("Add", calls))


@pytest.mark.parametrize("arguments", ["[1]", "{trunc", '"x"', "3"])
def test_arguments_of_another_model_that_are_no_object_stand_in_one(arguments):
    calls = Message(Role.ASSISTANT, (ToolCallPart("c1", "add", arguments),))
    assert wire("Add", calls)["messages"][1]["content"] == [tool_use("c1", arguments=arguments)]


def test_pictures_go_beside_the_words_inside_the_request_or_by_their_url():
    parts = (TextPart("What?"), ImagePart("https://example.com/a.png"), ImagePart("data:image/png;base64,AA=="))
    assert wire(Message(Role.USER, parts))["messages"][0]["content"] == [
        text("What?"),
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
    ]


@pytest.mark.parametrize("url", ["data:image/png,AA", "data:;base64,AA", "data:image/png;base64"])
def test_a_picture_that_is_not_base64_is_refused(url):
    with pytest.raises(errors.InvalidRequest):
        wire(Message(Role.USER, (ImagePart(url),)))


def test_text_without_words_is_left_out():
    assert wire("Hello", text_message(Role.ASSISTANT, ""), " \n", "there")["messages"] == [
        {"role": "user", "content": [text("Hello"), text("there")]}
    ]
    with pytest.raises(errors.InvalidRequest):
        wire("  ")


def test_parameters_have_anthropics_names():
    body = wire("Hi", max_tokens=5, temperature=0.5, top_p=0.9, top_k=3, stop=("\n\n",))
    assert {name: body[name] for name in ("max_tokens", "temperature", "top_p", "top_k", "stop_sequences")} == {
        "max_tokens": 5,
        "temperature": 0.5,
        "top_p": 0.9,
        "top_k": 3,
        "stop_sequences": ["\n\n"],
    }


def test_what_anthropic_requires_goes_out_also_where_nobody_asked_for_it():
    assert wire("Hi")["max_tokens"] == 8192
    body = json.loads(sent(asked(), Defaults(max_tokens=7, thinking={"type": "adaptive"})))
    assert (body["max_tokens"], body["thinking"]) == (7, {"type": "adaptive"})


def test_nothing_goes_out_that_nobody_asked_for():
    request = evolve(asked(), stream=False)
    assert json.loads(sent(request)).keys() == {"model", "max_tokens", "messages"}
    assert wire("Hi")["stream"] is True


def test_a_temperature_that_anthropic_does_not_have_is_refused_by_name():
    with pytest.raises(errors.InvalidRequest) as refused:
        wire("Hi", temperature=1.5)
    assert refused.value.violations[0].pointer == "/parameters/temperature"


def test_tools_have_anthropics_form():
    strict = {"type": "function", "function": {"name": "now", "strict": True}}
    assert wire("Hi", tools=(ADD, strict))["tools"] == [
        {"name": "add", "description": "Add", "input_schema": {"type": "object"}},
        {"name": "now", "input_schema": {"type": "object"}, "strict": True},
    ]


@pytest.mark.parametrize(
    ("wanted", "choice"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "add"}}, {"type": "tool", "name": "add"}),
    ],
)
def test_the_choice_of_a_tool_has_anthropics_form(wanted, choice):
    assert wire("Hi", tools=(ADD,), tool_choice=wanted)["tool_choice"] == choice


def test_json_by_a_schema_is_anthropics_structured_output():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    assert wire("Hi", response_format=wanted)["output_config"] == {"format": {"type": "json_schema", "schema": schema}}
    assert "output_config" not in wire("Hi", response_format={"type": "text"})


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"response_format": {"type": "json_object"}}, "/parameters/response_format/type"),
        ({"response_format": {"type": "xml"}}, "/parameters/response_format/type"),
        ({"response_format": {"type": "json_schema"}}, "/parameters/response_format/json_schema/schema"),
        ({"tools": ({"type": "web_search"},)}, "/parameters/tools/0"),
        ({"tools": (ADD, {"type": "function", "function": {}})}, "/parameters/tools/1/function/name"),
        ({"tool_choice": "sometimes"}, "/parameters/tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": 3}}}, "/parameters/tool_choice/function/name"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_its_place(parameters, pointer):
    with pytest.raises(errors.InvalidRequest) as refused:
        wire("Hi", **parameters)
    assert [violation.pointer for violation in refused.value.violations] == [pointer]


# ── Whole answers ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_answer():
    completed = whole(message(text("Hello"), text(" there.")))
    assert completed.output == (TextPart("Hello there."),)
    assert completed.finish_reason is FinishReason.STOP
    assert completed.resolved_model == "claude-test-20261101"
    assert completed.usage == Usage(input_tokens=15, output_tokens=2, cached_input_tokens=4)
    assert completed.state is None


def test_tool_calls_come_with_their_arguments_as_they_were_written():
    body = json.dumps(message(text("Let me."), tool_use(), stop_reason="tool_use")).replace("{}", '{"a": 1.50}')
    completed = from_wire(body.encode(), asked(), Verbatim())
    assert completed.output == (TextPart("Let me."), ToolCallPart("toolu_1", "add", '{"a": 1.50}'))
    assert completed.finish_reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize(
    ("stop_reason", "finish_reason"),
    [
        ("end_turn", FinishReason.STOP),
        ("stop_sequence", FinishReason.STOP),
        ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH),
        ("tool_use", FinishReason.TOOL_CALLS),
        ("refusal", FinishReason.CONTENT_FILTER),
    ],
)
def test_why_an_answer_ended(stop_reason, finish_reason):
    assert whole(message(text("x"), stop_reason=stop_reason)).finish_reason is finish_reason
    _, answer = streamed(start(), *said("x"), finish(stop_reason), STOP)
    assert answer.completed().finish_reason is finish_reason


def test_a_refusal_before_any_word_is_an_error():
    with pytest.raises(errors.ContentPolicyViolation):
        whole(message(stop_reason="refusal"))
    _, answer = streamed(start(), finish("refusal"), STOP)
    with pytest.raises(errors.ContentPolicyViolation):
        answer.completed()


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        message(text("x"), stop_reason=None),
        message(text("x"), stop_reason="pause_turn"),
        message(stop_reason="end_turn", content="Hello"),
        message({"text": "without a type"}),
    ],
)
def test_what_is_not_a_finished_message_is_a_bad_response(body):
    with pytest.raises(errors.ProviderBadResponse):
        whole(body)


def test_without_counts_the_tokens_are_estimated():
    assert whole(message(text("four"), usage=None)).usage == Usage(input_tokens=1, output_tokens=1, source="estimated")


# ── Answers in events ─────────────────────────────────────────────────────────────────────────────────────────────


def test_words_come_as_they_are_written():
    deltas, answer = streamed(start(), PING, *said("Hel", "lo"), finish(output_tokens=5), STOP)
    assert deltas == [TextDelta("Hel"), TextDelta("lo")]
    assert answer.done
    completed = answer.completed()
    assert completed.output == (TextPart("Hello"),)
    assert completed.usage == Usage(input_tokens=15, output_tokens=5, cached_input_tokens=4)
    assert completed.resolved_model == "claude-test-20261101"


def test_tool_calls_come_in_pieces_and_count_from_zero():
    deltas, answer = streamed(
        start(),
        *said("Let me."),
        *called(tool_use("t1"), "", '{"a"', ": 1}", index=1),
        *called(tool_use("t2", "now"), index=2),
        finish("tool_use"),
        STOP,
    )
    assert deltas == [
        TextDelta("Let me."),
        ToolCallDelta(0, "t1", "add"),
        ToolCallDelta(0, arguments='{"a"'),
        ToolCallDelta(0, arguments=": 1}"),
        ToolCallDelta(1, "t2", "now"),
        ToolCallDelta(1, arguments="{}"),
    ]
    assert answer.completed().output == (
        TextPart("Let me."),
        ToolCallPart("t1", "add", '{"a": 1}'),
        ToolCallPart("t2", "now", "{}"),
    )


def test_what_is_not_known_adds_nothing():
    deltas, answer = streamed(
        start(),
        {"type": "weather_report", "delta": None},
        begin(0, {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}),
        more(0, "input_json_delta", partial_json="{}"),
        more(0, "citations_delta", citation={}),
        end(0),
        more(7, "text_delta", text="of a block that never began"),
        *said("Hi", index=1),
        finish(),
        STOP,
    )
    assert deltas == [TextDelta("Hi")]
    assert answer.completed().output == (TextPart("Hi"),)


@pytest.mark.parametrize("events", [[start(), *said("Hello")], [start(), *said("Hello"), STOP]])
def test_a_stream_that_does_not_say_why_it_ends_was_interrupted(events):
    with pytest.raises(errors.StreamInterrupted):
        streamed(*events)[1].completed()


@pytest.mark.parametrize("events", [[], [start()]])
def test_one_that_ends_before_it_says_anything_may_be_asked_for_again(events):
    with pytest.raises(errors.ProviderBadResponse):
        streamed(*events)[1].completed()


# ── Thoughts ──────────────────────────────────────────────────────────────────────────────────────────────────────

THOUGHT = {"type": "thinking", "thinking": "Ünder 2 \u2028 lines", "signature": "EqQBCkYI+/=="}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgB"}


def test_thoughts_are_not_shown():
    deltas, answer = streamed(start(), *thought("Hm", "sig"), *said("Hi", index=1), finish(), STOP)
    assert deltas == [TextDelta("Hi")]
    assert answer.completed().output == whole(message(THOUGHT, REDACTED, text("Hi"))).output == (TextPart("Hi"),)


def test_thoughts_without_a_call_are_no_state():
    assert whole(message(THOUGHT, text("Hi"))).state is None


def results(*ids: str) -> Message:
    return Message(Role.TOOL, tuple(ToolResultPart(id_, "3") for id_ in ids))


@pytest.mark.parametrize("spaced", [True, False])
def test_thoughts_before_a_call_go_back_with_its_result_byte_for_byte(spaced):
    content = [THOUGHT, REDACTED, text("Let me."), tool_use("t1", a=1), tool_use("t2", a=2)]
    body = json.dumps(message(*content, stop_reason="tool_use"), separators=None if spaced else (",", ":"))
    completed = from_wire(body.encode(), asked("Add"), Verbatim())
    assert completed.state.kind == "anthropic.thinking"
    answered = asked("Add", Message(Role.ASSISTANT, completed.output), results("t1", "t2"))
    again = sent(evolve(answered, state=completed.state))
    for block in content:
        assert json.dumps(block, separators=None if spaced else (",", ":")).encode() in again
    assert json.loads(again)["messages"][1] == {"role": "assistant", "content": content}


def test_streamed_thoughts_go_back_as_they_would_have_come_whole():
    _, answer = streamed(
        start(),
        *thought(THOUGHT["thinking"], THOUGHT["signature"]),
        begin(1, REDACTED),
        end(1),
        *said("Let ", "me.", index=2),
        *called(tool_use("t1"), '{"a"', ": 1.50}", index=3),
        finish("tool_use"),
        STOP,
    )
    completed = answer.completed()
    answered = asked("Add", Message(Role.ASSISTANT, completed.output), results("t1"))
    again = sent(evolve(answered, state=completed.state))
    expected = [THOUGHT, REDACTED, text("Let me."), tool_use("t1", a=1.5)]
    assert json.loads(again)["messages"][1] == {"role": "assistant", "content": expected}
    assert b'{"a": 1.50}' in again


@given(st.text(), st.text(), st.lists(st.text()))
def test_whatever_is_in_a_thought_comes_back_unchanged(thinking, signature, pieces):
    thoughts = [{"type": "thinking", "thinking": thinking + "".join(pieces), "signature": signature}]
    events = [
        begin(0, {"type": "thinking", "thinking": thinking, "signature": ""}),
        *(more(0, "thinking_delta", thinking=piece) for piece in pieces),
        more(0, "signature_delta", signature=signature),
    ]
    _, answer = streamed(start(), *events, *called(tool_use("t1"), "{}", index=1), finish("tool_use"), STOP)
    completed = answer.completed()
    answered = asked("Add", Message(Role.ASSISTANT, completed.output), results("t1"))
    again = json.loads(sent(evolve(answered, state=completed.state)))
    assert again["messages"][1]["content"] == [*thoughts, tool_use("t1")]


def test_all_thoughts_since_the_users_last_message_go_back_and_none_before():
    first = whole(message(THOUGHT, tool_use("t1"), stop_reason="tool_use"), asked("Add"))
    answered = ["Add", Message(Role.ASSISTANT, first.output), results("t1")]
    second = whole(
        message(REDACTED, tool_use("t2"), stop_reason="tool_use"), evolve(asked(*answered), state=first.state)
    )
    answered += [Message(Role.ASSISTANT, second.output), results("t2")]
    again = json.loads(sent(evolve(asked(*answered), state=second.state)))["messages"]
    assert again[1]["content"] == [THOUGHT, tool_use("t1")]
    assert again[3]["content"] == [REDACTED, tool_use("t2")]

    answered += [text_message(Role.ASSISTANT, "6"), "And now?"]
    third = whole(
        message(THOUGHT, tool_use("t3"), stop_reason="tool_use"), evolve(asked(*answered), state=second.state)
    )
    answered += [Message(Role.ASSISTANT, third.output), results("t3")]
    again = json.loads(sent(evolve(asked(*answered), state=third.state)))["messages"]
    assert again[1]["content"] == [tool_use("t1")]
    assert again[-2]["content"] == [THOUGHT, tool_use("t3")]


@pytest.mark.parametrize(
    "state",
    [BackendState(kind="gemini.thought_signatures", value="[]"), BackendState(kind=STATE, value='{"nonsense"')],
)
def test_a_state_that_was_not_given_here_is_refused(state):
    with pytest.raises(errors.StateTokenRefused):
        sent(evolve(asked(), state=state))
