"""OpenAI's chat completions in the words of the domain, and back."""

import pytest

from pluggably.domain.errors import InvalidRequest
from pluggably.domain.generation import ImagePart, Role, TextPart, ToolCallPart, ToolResultPart
from pluggably.domain.parameters import TextParameters
from pluggably.entrypoints.http.openai_wire import NEUTRAL, read_request

HELLO = [{"role": "user", "content": "Hello"}]


def read(messages=HELLO, **body):
    return read_request({"messages": messages, **body})


def parameters(**body) -> TextParameters:
    return read(**body)[1]


def messages(*said):
    request, chosen = read(list(said))
    return request.command(chosen, None).messages


def refused(**body) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as error:
        read(**body)
    return {it.pointer: it.message for it in error.value.violations}


def test_a_conversation_becomes_messages():
    system, user, assistant, tool = messages(
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is it?"},
                {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "a cat"}]},
    )
    assert (system.role, system.text) == (Role.SYSTEM, "Be brief.")
    assert user.parts == (TextPart("What is it?"), ImagePart("https://x/y.png"))
    assert assistant.parts == (ToolCallPart(id="c1", name="look", arguments="{}"),)
    assert (tool.role, tool.parts) == (Role.TOOL, (ToolResultPart(tool_call_id="c1", text="a cat"),))


def test_stop_may_be_one_string():
    assert parameters(stop="\n").stop == ("\n",)
    assert parameters(stop=["a", "b"]).stop == ("a", "b")


def test_the_newer_name_of_max_tokens_is_known():
    assert parameters(max_completion_tokens=7).max_tokens == 7
    assert set(refused(max_completion_tokens=0)) == {"/max_completion_tokens"}


def test_what_openai_does_not_have_may_be_given():
    chosen = parameters(top_k=5, min_p=0.1, repetition_penalty=1.1)
    assert (chosen.top_k, chosen.min_p, chosen.repetition_penalty) == (5, 0.1, 1.1)


@pytest.mark.parametrize(
    "nothing",
    [
        {"response_format": {"type": "text"}},
        {"tools": []},
        {"tool_choice": "auto"},
        {"tool_choice": "none", "tools": []},
    ],
    ids=str,
)
def test_what_asks_for_nothing_is_not_asked_of_the_model(nothing):
    assert parameters(**nothing) == TextParameters()


def test_a_choice_of_tools_is_kept_with_its_tools():
    tool = {"type": "function", "function": {"name": "look"}}
    assert parameters(tools=[tool], tool_choice="required") == TextParameters(tools=(tool,), tool_choice="required")


@pytest.mark.parametrize("name", NEUTRAL)
def test_what_cannot_be_carried_is_refused_by_name_unless_it_is_neutral(name):
    assert set(refused(**{name: "something else"})) == {f"/{name}"}
    for neutral in (None, *NEUTRAL[name]):
        read(**{name: neutral})


def test_what_nobody_knows_is_passed_over():
    assert parameters(frobnicate=1, user="me") == TextParameters()


def test_null_is_the_same_as_nothing():
    names = [
        "temperature",
        "top_p",
        "stop",
        "seed",
        "max_tokens",
        "max_completion_tokens",
        "tools",
        "stream",
        "metadata",
    ]
    assert parameters(**dict.fromkeys(names)) == TextParameters()


def test_everything_wrong_is_said_at_once():
    assert set(
        refused(
            messages=[
                {"role": "user"},
                {"role": "tool", "content": "x"},
                {"role": "user", "content": "x", "name": "Ada"},
            ],
            temperature=3,
            n=2,
            stream="yes",
        )
    ) >= {"/temperature", "/n", "/stream"}
    assert set(refused(messages=[{"role": "user"}, {"role": "tool", "content": "x"}])) == {
        "/messages/0/content",
        "/messages/1/tool_call_id",
    }
    assert set(refused(messages=[])) == {"/messages"}


@pytest.mark.parametrize("body", [[], "x", None, 3])
def test_a_body_that_is_no_object_is_refused(body):
    with pytest.raises(InvalidRequest, match="must be an object"):
        read_request(body)
