"""A server of OpenAI's API on a free port, down to the bytes: each test says how it answers."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define

from pluggably.adapters.providers.openai.provider import OpenAIProvider

from .api_server import Answer, ApiServer, Call, end, hang, hang_up, serving, stalling_body, streaming

__all__ = ["Answer", "Call", "end", "hang", "hang_up", "stalling_body", "streaming"]

COUNTING = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"


@define
class OpenAIServer(ApiServer):
    def provider(self, **settings) -> OpenAIProvider:
        ordinary = {"name": "stub", "base_url": self.base_url, "api_key": "sk-secret", "models": ["gpt-test"]}
        return OpenAIProvider(**(ordinary | settings))


@asynccontextmanager
async def openai_server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[OpenAIServer]:
    async with serving(OpenAIServer(answer), "/v1", tls) as server:
        yield server


# ── Ways to answer ────────────────────────────────────────────────────────────────────────────────────────────────


def completion(text: str = "Hello.", finish_reason: str | None = "stop", **message) -> dict:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-test-2026",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text} | message,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}},
    }


def chunk(content: str | None = None, finish_reason: str | None = None, **delta) -> dict:
    said = ({} if content is None else {"content": content}) | delta
    choice = {"index": 0, "delta": said, "finish_reason": finish_reason}
    return {"object": "chat.completion.chunk", "model": "gpt-test-2026", "choices": [choice], "usage": None}


def usage(output_tokens: int) -> dict:
    return {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": output_tokens}}


async def counting(call: Call) -> None:
    """Count in words, one word a token, as far as `max_tokens` allows; whole or streamed."""
    words = COUNTING.split()
    allowed = words[: call.body.get("max_tokens")]
    finish_reason = "stop" if len(allowed) == len(words) else "length"
    if not call.body.get("stream"):
        await call.answer(json.dumps(completion(" ".join(allowed), finish_reason)).encode())
        return
    await call.begin_stream()
    await call.event(chunk("", role="assistant"))
    for word in allowed:
        await call.event(chunk(f"{word} "))
    await call.event(chunk(finish_reason=finish_reason))
    await call.event(usage(len(allowed)))
    await call.event("[DONE]")
    await call.end_stream()
