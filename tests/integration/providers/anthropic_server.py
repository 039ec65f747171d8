"""A server of Anthropic's Messages API, with the shapes that its documentation shows: each test says how it answers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define

from pluggably.adapters.providers.anthropic.provider import AnthropicProvider

from .api_server import Answer, ApiServer, Call, serving
from .openai_server import COUNTING


@define
class AnthropicServer(ApiServer):
    def provider(self, **settings) -> AnthropicProvider:
        ordinary = {"name": "stub", "base_url": self.base_url, "api_key": "sk-ant-secret", "models": ["claude-test"]}
        return AnthropicProvider(**(ordinary | settings))


@asynccontextmanager
async def anthropic_server(answer: Answer) -> AsyncIterator[AnthropicServer]:
    async with serving(AnthropicServer(answer), "/v1") as server:
        yield server


# ── Whole answers ─────────────────────────────────────────────────────────────────────────────────────────────────

USAGE = {"input_tokens": 9, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 4, "output_tokens": 2}


def text(words: str) -> dict:
    return {"type": "text", "text": words}


def tool_use(id_: str = "toolu_1", name: str = "add", **arguments) -> dict:
    return {"type": "tool_use", "id": id_, "name": name, "input": arguments}


def message(*content: dict, stop_reason: str | None = "end_turn", **facts) -> dict:
    return {
        "id": "msg_013Zva2CMHLNnjNjJJKqJ2EF",
        "type": "message",
        "role": "assistant",
        "model": "claude-test-20261101",
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": USAGE,
    } | facts


# ── Events ────────────────────────────────────────────────────────────────────────────────────────────────────────

PING = {"type": "ping"}
STOP = {"type": "message_stop"}


def start(**facts) -> dict:
    begun = message(stop_reason=None, usage=USAGE | {"output_tokens": 1}, **facts)
    return {"type": "message_start", "message": begun}


def begin(index: int, block: dict) -> dict:
    return {"type": "content_block_start", "index": index, "content_block": block}


def more(index: int, kind: str, **delta) -> dict:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **delta}}


def end(index: int) -> dict:
    return {"type": "content_block_stop", "index": index}


def finish(stop_reason: str | None = "end_turn", **usage) -> dict:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": stop_reason, "stop_sequence": None},
        "usage": {"output_tokens": 2} | usage,
    }


def said(*pieces: str, index: int = 0) -> list[dict]:
    """The events of a block of text."""
    return [begin(index, text("")), *(more(index, "text_delta", text=piece) for piece in pieces), end(index)]


def called(block: dict, *pieces: str, index: int = 0) -> list[dict]:
    """The events of a tool call."""
    parts = [more(index, "input_json_delta", partial_json=piece) for piece in pieces]
    return [begin(index, block | {"input": {}}), *parts, end(index)]


def thought(thinking: str, signature: str, index: int = 0) -> list[dict]:
    """The events of a thought."""
    return [
        begin(index, {"type": "thinking", "thinking": "", "signature": ""}),
        more(index, "thinking_delta", thinking=thinking),
        more(index, "signature_delta", signature=signature),
        end(index),
    ]


async def counting(call: Call) -> None:
    """Count in words, one word a token, as far as `max_tokens` allows; whole or streamed."""
    words = COUNTING.split()
    allowed = words[: call.body["max_tokens"]]
    stop_reason = "end_turn" if len(allowed) == len(words) else "max_tokens"
    if not call.body.get("stream"):
        usage = USAGE | {"output_tokens": len(allowed)}
        answer = message(text(" ".join(allowed)), stop_reason=stop_reason, usage=usage)
        await call.answer(json.dumps(answer).encode())
        return
    await call.begin_stream()
    for event in [
        start(),
        PING,
        *said(*(f"{word} " for word in allowed)),
        finish(stop_reason, output_tokens=len(allowed)),
        STOP,
    ]:
        await call.event(event)
    await call.end_stream()
