"""Anthropic's own Python client beside our provider, against the same server: what the one sends, the other sends too,
and what the one understands of an answer, the other does.

The client is an implementation of the API that we did not write; `pip install --group dev` brings it.
"""

import json

import anthropic
import pytest
from attrs import evolve

from pluggably.domain.generation import (
    ImagePart,
    Message,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
    text_message,
)

from ...builders import a_request
from .anthropic_server import (
    PING,
    STOP,
    anthropic_server,
    called,
    counting,
    finish,
    message,
    said,
    start,
    thought,
    tool_use,
)
from .api_server import end, streaming

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = {"name": "weather", "description": "The weather", "parameters": SCHEMA}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}

CONVERSATION = (
    text_message(Role.SYSTEM, "Be brief."),
    Message(Role.USER, (TextPart("Where?"), ImagePart("data:image/png;base64,AA=="), ImagePart("https://a.test/b"))),
    Message(Role.ASSISTANT, (TextPart("Let me see."), ToolCallPart("t1", "weather", '{"city":"Paris"}'))),
    Message(Role.TOOL, (ToolResultPart("t1", "rain"),)),
)
THE_SAME = {
    "system": "Be brief.",
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Where?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                {"type": "image", "source": {"type": "url", "url": "https://a.test/b"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Let me see."},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "rain"}]},
    ],
}
HI = {"messages": [{"role": "user", "content": "Hi"}]}


def client(server):
    origin = server.base_url.removesuffix("/v1")
    return anthropic.AsyncAnthropic(base_url=origin, api_key="sk-ant-secret", max_retries=0)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("messages", "parameters", "the_same"),
    [
        (("Hi",), {"max_tokens": 16, "stop": ("\n",)}, HI | {"max_tokens": 16, "stop_sequences": ["\n"]}),
        (CONVERSATION, {"max_tokens": 16}, THE_SAME | {"max_tokens": 16}),
        (
            ("Hi",),
            {"max_tokens": 16, "tools": ({"type": "function", "function": TOOL},), "tool_choice": "required"},
            HI
            | {
                "max_tokens": 16,
                "tools": [{"name": "weather", "description": "The weather", "input_schema": SCHEMA}],
                "tool_choice": {"type": "any"},
            },
        ),
        (
            ("Hi",),
            {"max_tokens": 16, "response_format": FORMAT},
            HI | {"max_tokens": 16, "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}},
        ),
    ],
    ids=["text", "conversation", "tools", "schema"],
)
async def test_both_ask_the_same(messages, parameters, the_same, stream):
    async with anthropic_server(counting) as server:
        provider = server.provider()
        request = a_request(*messages, model=provider.match("stub/claude-test"), **parameters)
        ours = [event async for event in provider.generate(evolve(request, stream=stream))][-1]
        await provider.close()
        async with client(server) as theirs:
            if stream:
                async with theirs.messages.stream(model="claude-test", **the_same) as events:
                    answer = await events.get_final_message()
            else:
                answer = await theirs.messages.create(model="claude-test", **the_same)
    mine, official = server.calls
    assert mine.path == official.path
    assert mine.body == official.body
    for header in ("anthropic-version: 2026-10-21", "content-type: application/json"):
        assert all(f"\r\n{header}\r\n" in asked.head.lower() for asked in (mine, official))
    assert ours.output == (TextPart(answer.content[0].text),)
    assert ours.usage.output_tokens == answer.usage.output_tokens
    assert ours.resolved_model == answer.model


WRITTEN = [
    {"type": "thinking", "thinking": "Paris, then.", "signature": "EqQBCkYI+/=="},
    {"type": "redacted_thinking", "data": "EmwKAhgB"},
    {"type": "text", "text": "Let me see."},
    {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Paris"}},
]


async def whole(call) -> None:
    await call.answer(json.dumps(message(*WRITTEN, stop_reason="tool_use")).encode())


events = streaming(
    start(),
    PING,
    *thought("Paris, then.", "EqQBCkYI+/=="),
    {"type": "content_block_start", "index": 1, "content_block": WRITTEN[1]},
    {"type": "content_block_stop", "index": 1},
    *said("Let me", " see.", index=2),
    *called(tool_use("t1", "weather"), '{"city": ', '"Paris"}', index=3),
    finish("tool_use"),
    STOP,
    then=end,
)


@pytest.mark.parametrize("stream", [True, False])
async def test_both_understand_the_same_and_show_thoughts_again_alike(stream):
    async with anthropic_server(events if stream else whole) as server:
        provider = server.provider()
        request = evolve(a_request("Where?", max_tokens=16, model=provider.match("stub/claude-test")), stream=stream)
        ours = [event async for event in provider.generate(request)][-1]
        asked = {"model": "claude-test", "max_tokens": 16}
        first = {"role": "user", "content": "Where?"}
        result = {"type": "tool_result", "tool_use_id": "t1", "content": "rain"}
        async with client(server) as theirs:
            if stream:
                async with theirs.messages.stream(messages=[first], **asked) as answered:
                    answer = await answered.get_final_message()
            else:
                answer = await theirs.messages.create(messages=[first], **asked)
            again = [
                first,
                {"role": "assistant", "content": [block.model_dump(exclude_unset=True) for block in answer.content]},
                {"role": "user", "content": [result]},
            ]
            await theirs.messages.create(messages=again, stream=stream, **asked)
        spoken, call = (block for block in answer.content if block.type in ("text", "tool_use"))
        assert ours.output == (TextPart(spoken.text), ToolCallPart(call.id, call.name, '{"city": "Paris"}'))
        on = evolve(
            request,
            messages=(
                *request.messages,
                Message(Role.ASSISTANT, ours.output),
                Message(Role.TOOL, (ToolResultPart("t1", "rain"),)),
            ),
            state=ours.state,
        )
        assert [event async for event in provider.generate(on)]
        await provider.close()
    official, mine = server.calls[-2:]
    assert mine.body["messages"][1]["content"] == WRITTEN
    shown = official.body["messages"][1]["content"]
    assert [{key: block[key] for key in mine} for block, mine in zip(shown, WRITTEN, strict=True)] == WRITTEN
    assert mine.body["messages"][::2] == official.body["messages"][::2]
