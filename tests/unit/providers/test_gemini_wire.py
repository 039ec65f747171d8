"""What goes to Gemini and what comes back, without a network; the shapes are those of its documentation."""

import json

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pluggably.adapters.providers.gemini.answer_wire import STATE, GeminiAnswer, from_wire
from pluggably.adapters.providers.gemini.finish_reasons import FAILED, REFUSED
from pluggably.adapters.providers.gemini.request_wire import to_wire
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
from ...integration.providers.gemini_server import BLOCKED, answer, call, piece, text

ADD = {"type": "function", "function": {"name": "add", "description": "Add", "parameters": {"type": "object"}}}


def asked(*messages, **parameters):
    return a_request(*(messages or ("Hi",)), model=a_model(upstream="gemini-x", provider="acme"), **parameters)


def sent(request) -> bytes:
    return to_wire(request, Verbatim.of(request.state, STATE))


def wire(*messages, **parameters) -> dict:
    return json.loads(sent(asked(*messages, **parameters)))


def whole(body: dict | bytes, request=None):
    request = request or asked()
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return from_wire(content, request, Verbatim.of(request.state, STATE))


def streamed(*events: dict | bytes, request=None) -> tuple[list, GeminiAnswer]:
    request = request or asked()
    answered = GeminiAnswer(request, Verbatim.of(request.state, STATE))
    contents = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
    return [delta for content in contents for delta in answered.take(content)], answered


# ── Requests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_the_system_says_goes_apart_and_the_assistant_is_the_model():
    body = wire(text_message(Role.SYSTEM, "Be brief."), "Hi", text_message(Role.ASSISTANT, "Hello."), "How are you?")
    assert body == {
        "systemInstruction": {"parts": [text("Be brief.")]},
        "contents": [
            {"role": "user", "parts": [text("Hi")]},
            {"role": "model", "parts": [text("Hello.")]},
            {"role": "user", "parts": [text("How are you?")]},
        ],
    }


def test_the_turns_of_a_conversation_alternate():
    said = wire("a", "b", text_message(Role.ASSISTANT, ""), "c", text_message(Role.ASSISTANT, "d"))["contents"]
    assert [(turn["role"], turn["parts"]) for turn in said] == [
        ("user", [text("a"), text("b"), text("c")]),
        ("model", [text("d")]),
    ]


def test_results_name_their_functions_and_are_objects():
    calls = Message(Role.ASSISTANT, (ToolCallPart("c1", "add", '{"a": 1.50}'), ToolCallPart("c2", "now", "")))
    results = Message(Role.TOOL, (ToolResultPart("c1", "3"), ToolResultPart("c2", '{"time":"noon"}')))
    assert wire("Add", calls, results)["contents"][1:] == [
        {"role": "model", "parts": [call("add", "c1", a=1.5), call("now", "c2")]},
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": "add", "response": {"output": "3"}}},
                {"functionResponse": {"id": "c2", "name": "now", "response": {"time": "noon"}}},
            ],
        },
    ]
    assert b'{"a": 1.50}' in sent(asked("Add", calls, results))


def test_a_result_of_a_call_that_nobody_made_is_refused():
    with pytest.raises(errors.InvalidRequest, match="c9"):
        wire("Add", Message(Role.TOOL, (ToolResultPart("c9", "3"),)))


def test_pictures_go_inside_the_request_or_by_their_url():
    parts = (TextPart("What?"), ImagePart("https://example.com/a.png?x=1"), ImagePart("data:image/png;base64,AA=="))
    assert wire(Message(Role.USER, parts))["contents"][0]["parts"] == [
        text("What?"),
        {"fileData": {"fileUri": "https://example.com/a.png?x=1", "mimeType": "image/png"}},
        {"inlineData": {"mimeType": "image/png", "data": "AA=="}},
    ]
    unnamed = wire(Message(Role.USER, (ImagePart("https://example.com/a"),)))
    assert unnamed["contents"][0]["parts"] == [{"fileData": {"fileUri": "https://example.com/a"}}]


def test_parameters_have_geminis_names():
    body = wire("Hi", max_tokens=5, temperature=1.5, top_p=0.9, top_k=3, stop=("\n\n",), seed=7)
    assert body["generationConfig"] == {
        "maxOutputTokens": 5,
        "temperature": 1.5,
        "topP": 0.9,
        "topK": 3,
        "stopSequences": ["\n\n"],
        "seed": 7,
    }


def test_nothing_goes_out_that_nobody_asked_for():
    assert wire("Hi").keys() == {"contents"}


def test_tools_have_geminis_form():
    assert wire("Hi", tools=(ADD, {"type": "function", "function": {"name": "now"}}))["tools"] == [
        {
            "functionDeclarations": [
                {"name": "add", "description": "Add", "parametersJsonSchema": {"type": "object"}},
                {"name": "now"},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("wanted", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ({"type": "function", "function": {"name": "add"}}, {"mode": "ANY", "allowedFunctionNames": ["add"]}),
    ],
)
def test_the_choice_of_a_tool_has_geminis_form(wanted, config):
    assert wire("Hi", tools=(ADD,), tool_choice=wanted)["toolConfig"] == {"functionCallingConfig": config}


def test_json_with_and_without_a_schema():
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    assert wire("Hi", response_format=wanted)["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
    }
    free = wire("Hi", response_format={"type": "json_object"})
    assert free["generationConfig"] == {"responseMimeType": "application/json"}
    assert "generationConfig" not in wire("Hi", response_format={"type": "text"})


@pytest.mark.parametrize(
    ("parameters", "pointer"),
    [
        ({"stop": tuple("abcdef")}, "/parameters/stop"),
        ({"seed": 2**31}, "/parameters/seed"),
        ({"tools": ({"type": "google_search"},)}, "/parameters/tools/0"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_its_place(parameters, pointer):
    with pytest.raises(errors.InvalidRequest) as refused:
        wire("Hi", **parameters)
    assert [violation.pointer for violation in refused.value.violations] == [pointer]


def test_a_request_without_words_is_refused():
    with pytest.raises(errors.InvalidRequest):
        wire("")


# ── Answers ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_whole_answer():
    completed = whole(answer(text("Hello"), text(" there.")))
    assert completed.output == (TextPart("Hello there."),)
    assert completed.finish_reason is FinishReason.STOP
    assert completed.resolved_model == "gemini-test-001"
    assert completed.usage == Usage(input_tokens=9, output_tokens=5, cached_input_tokens=4)
    assert completed.state is None


def test_an_answer_in_events():
    deltas, answered = streamed(piece(text("Hel")), piece(text("lo")), answer(text("."), finish="MAX_TOKENS"))
    assert deltas == [TextDelta("Hel"), TextDelta("lo"), TextDelta(".")]
    assert answered.done
    completed = answered.completed()
    assert completed.output == (TextPart("Hello."),)
    assert completed.finish_reason is FinishReason.LENGTH
    assert completed.usage == Usage(input_tokens=9, output_tokens=5, cached_input_tokens=4)


def test_function_calls_come_whole_with_ids_of_their_own():
    body = json.dumps(answer(text("Let me."), call("add", "fc1", a=1), call("now"))).replace('"a": 1', '"a": 1.50')
    deltas, answered = streamed(body.encode())
    first, second = ToolCallPart("fc1", "add", '{"a": 1.50}'), ToolCallPart("unnamed_gen_test_1", "now", "{}")
    assert deltas == [
        TextDelta("Let me."),
        ToolCallDelta(0, first.id, first.name, first.arguments),
        ToolCallDelta(1, second.id, second.name, second.arguments),
    ]
    assert answered.completed().output == (TextPart("Let me."), first, second)
    assert answered.completed().finish_reason is FinishReason.TOOL_CALLS


def test_an_id_that_gemini_did_not_give_is_not_sent_to_it():
    completed = whole(answer(call("now")))
    results = Message(Role.TOOL, (ToolResultPart(completed.output[0].id, "noon"),))
    said = wire("When?", Message(Role.ASSISTANT, completed.output), results)["contents"]
    assert said[1]["parts"] == [call("now")]
    assert said[2]["parts"] == [{"functionResponse": {"name": "now", "response": {"output": "noon"}}}]


def test_thoughts_are_not_shown():
    deltas, answered = streamed(piece(text("Hm", thought=True)), answer(text("Hi")))
    assert deltas == [TextDelta("Hi")]
    assert answered.completed().output == (TextPart("Hi"),)


def test_only_the_first_candidate_counts():
    body = answer(text("one"))
    body["candidates"].append({"index": 1, "content": {"parts": [text("two")]}, "finishReason": "SAFETY"})
    assert whole(body).output == (TextPart("one"),)


@pytest.mark.parametrize("reason", sorted(REFUSED))
def test_what_policy_cuts_off_ends_there_and_is_an_error_before_any_word(reason):
    assert whole(answer(text("x"), finish=reason)).finish_reason is FinishReason.CONTENT_FILTER
    with pytest.raises(errors.ContentPolicyViolation) as refused:
        whole(answer(finish=reason))
    assert reason.lower() in str(refused.value)


def test_a_prompt_that_is_blocked_is_an_error():
    with pytest.raises(errors.ContentPolicyViolation):
        whole(BLOCKED)
    with pytest.raises(errors.ContentPolicyViolation):
        streamed(BLOCKED)


@pytest.mark.parametrize("reason", sorted(FAILED))
def test_what_the_model_did_wrong_is_an_error_of_the_provider(reason):
    with pytest.raises(errors.ProviderError):
        whole(answer(finish=reason))


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"", b"<html>", {"candidates": [{"content": {"parts": [3]}}]}, answer(text("x"), finish=None)],
)
def test_what_is_not_a_finished_answer_is_a_bad_response(body):
    with pytest.raises(errors.ProviderBadResponse):
        whole(body)


def test_a_reason_that_nobody_knows_is_a_bad_response():
    with pytest.raises(errors.ProviderBadResponse):
        whole(answer(text("x"), finish="BORED"))


def test_a_stream_that_does_not_say_why_it_ends_was_interrupted():
    with pytest.raises(errors.StreamInterrupted):
        streamed(piece(text("x")))[1].completed()


@pytest.mark.parametrize("counts", [None, {"promptTokenCount": 0, "totalTokenCount": 0}, {"candidatesTokenCount": 7}])
def test_without_counts_the_tokens_are_estimated(counts):
    completed = whole(answer(text("four"), usage=counts))
    assert completed.usage == Usage(input_tokens=1, output_tokens=1, source="estimated")


# ── Signatures ────────────────────────────────────────────────────────────────────────────────────────────────────

SIGNATURE = "CpcHAXLI2nw+/=="


def results(*ids: str) -> Message:
    return Message(Role.TOOL, tuple(ToolResultPart(id_, "3") for id_ in ids))


@pytest.mark.parametrize("spaced", [True, False])
def test_a_signed_call_goes_back_with_its_result_byte_for_byte(spaced):
    parts = [text("Let mé."), call("add", "f1", SIGNATURE, a=1), call("add", "f2", a=2)]
    separators = None if spaced else (",", ":")
    completed = whole(json.dumps(answer(*parts), separators=separators).encode(), asked("Add"))
    assert completed.state.kind == "gemini.thought_signatures"
    answered = asked("Add", Message(Role.ASSISTANT, completed.output), results("f1", "f2"))
    again = sent(evolve(answered, state=completed.state))
    for part in parts:
        assert json.dumps(part, separators=separators).encode() in again
    assert json.loads(again)["contents"][1] == {"role": "model", "parts": parts}


def test_a_signature_at_the_end_of_a_stream_stays_on_its_own_part():
    pieces = [text("Hel"), text("lo"), text("", thoughtSignature=SIGNATURE)]
    _, answered = streamed(*map(piece, pieces[:-1]), answer(pieces[-1]))
    completed = answered.completed()
    assert completed.output == (TextPart("Hello"),)
    on = asked("Hi", Message(Role.ASSISTANT, completed.output), "Go on")
    assert json.loads(sent(evolve(on, state=completed.state)))["contents"][1]["parts"] == pieces


def test_a_signed_call_without_an_id_goes_back_too():
    completed = whole(answer(call("now", signature=SIGNATURE)))
    answered = asked("When?", Message(Role.ASSISTANT, completed.output), results(completed.output[0].id))
    said = json.loads(sent(evolve(answered, state=completed.state)))["contents"]
    assert said[1]["parts"] == [call("now", signature=SIGNATURE)]
    assert said[2]["parts"] == [{"functionResponse": {"name": "now", "response": {"output": "3"}}}]


@given(st.text(min_size=1), st.lists(st.text()))
def test_whatever_a_signature_is_it_comes_back_unchanged(signature, words):
    parts = [*map(text, words), call("now", "f1", signature)]
    completed = whole(answer(*parts))
    answered = asked("When?", Message(Role.ASSISTANT, completed.output), results("f1"))
    assert json.loads(sent(evolve(answered, state=completed.state)))["contents"][1]["parts"] == parts


def test_all_signatures_since_the_users_last_message_go_back():
    first = whole(answer(call("add", "f1", "s1")), asked("Add"))
    said = ["Add", Message(Role.ASSISTANT, first.output), results("f1")]
    second = whole(answer(call("add", "f2")), evolve(asked(*said), state=first.state))
    said += [Message(Role.ASSISTANT, second.output), results("f2")]
    again = json.loads(sent(evolve(asked(*said), state=second.state)))["contents"]
    assert [again[1]["parts"], again[3]["parts"]] == [[call("add", "f1", "s1")], [call("add", "f2")]]


@pytest.mark.parametrize(
    ("name", "signature"), [("gemini-3-pro", "skip_thought_signature_validator"), ("gemini-2.5-pro", None)]
)
def test_calls_that_nobody_signed_are_let_through_where_signatures_are_wanted(name, signature):
    calls = Message(Role.ASSISTANT, (TextPart("Hm"), ToolCallPart("c1", "add", "{}"), ToolCallPart("c2", "add", "{}")))
    request = evolve(asked("Add", calls, results("c1", "c2")), model=a_model(upstream=name))
    parts = json.loads(sent(request))["contents"][1]["parts"]
    assert parts == [text("Hm"), call("add", "c1", signature), call("add", "c2")]


def test_a_signature_that_is_missing_asks_for_the_state():
    with pytest.raises(errors.InvalidRequest) as refused:
        whole(answer(finish="MISSING_THOUGHT_SIGNATURE"))
    assert refused.value.violations[0].pointer == "/state_token"
    state = BackendState(kind=STATE, value="[]")
    with pytest.raises(errors.StateTokenRefused):
        whole(answer(finish="MISSING_THOUGHT_SIGNATURE"), evolve(asked(), state=state))


@pytest.mark.parametrize(
    "state", [BackendState(kind="anthropic.thinking", value="[]"), BackendState(kind=STATE, value="{}")]
)
def test_a_state_that_was_not_given_here_is_refused(state):
    with pytest.raises(errors.StateTokenRefused):
        sent(evolve(asked(), state=state))
