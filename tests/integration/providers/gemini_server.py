"""A server of the Gemini API, with the shapes that its documentation shows: each test says how it answers."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define

from pluggably.adapters.providers.gemini.provider import GeminiProvider

from ...pictures import encoded
from .api_server import Answer, ApiServer, Call, serving
from .openai_server import COUNTING

STREAMED = ":streamGenerateContent?alt=sse"


@define
class GeminiServer(ApiServer):
    def provider(self, **settings) -> GeminiProvider:
        models = ["gemini-test", "gemini-2.5-flash-image"]
        ordinary = {"name": "stub", "base_url": self.base_url, "api_key": "AIza-secret", "models": models}
        return GeminiProvider(**(ordinary | settings))


@asynccontextmanager
async def gemini_server(answer: Answer) -> AsyncIterator[GeminiServer]:
    async with serving(GeminiServer(answer), "/v1beta") as server:
        yield server


USAGE = {
    "promptTokenCount": 9,
    "cachedContentTokenCount": 4,
    "candidatesTokenCount": 2,
    "thoughtsTokenCount": 3,
    "totalTokenCount": 14,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 9}],
}


def text(words: str, **facts) -> dict:
    return {"text": words} | facts


def call(name: str = "add", id_: str | None = None, signature: str | None = None, **arguments) -> dict:
    named = {"id": id_} if id_ else {}
    signed = {"thoughtSignature": signature} if signature else {}
    return {"functionCall": named | {"name": name, "args": arguments}} | signed


def picture(content: bytes | None = None, **facts) -> dict:
    data = b64encode(encoded("PNG") if content is None else content).decode()
    return {"inlineData": {"mimeType": "image/png", "data": data}} | facts


def answer(*parts: dict, finish: str | None = "STOP", usage: dict | None = USAGE, **facts) -> dict:
    """A whole answer, or, without `finish`, one of the events before its end."""
    candidate = {"content": {"parts": list(parts), "role": "model"}, "index": 0, "safetyRatings": []}
    return {
        "candidates": [candidate | ({"finishReason": finish} if finish else {})],
        "modelVersion": "gemini-test-001",
        "responseId": "mAitaLmkHPPlz7IPvtfUqQ4",
        **({"usageMetadata": usage} if usage else {}),
    } | facts


def piece(*parts: dict) -> dict:
    return answer(*parts, finish=None, usage={"promptTokenCount": 9, "totalTokenCount": 9})


BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}}


def error(code: int, status: str, *details: dict, message: str = "at /srv/secret") -> dict:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


async def counting(asked: Call) -> None:
    """Count in words, one word a token, as far as `maxOutputTokens` allows; whole or streamed."""
    words = COUNTING.split()
    allowed = words[: asked.body.get("generationConfig", {}).get("maxOutputTokens")]
    finish = "STOP" if len(allowed) == len(words) else "MAX_TOKENS"
    usage = {"promptTokenCount": 9, "candidatesTokenCount": len(allowed)}
    if not asked.path.endswith(STREAMED):
        await asked.answer(json.dumps(answer(text(" ".join(allowed)), finish=finish, usage=usage)).encode())
        return
    await asked.begin_stream()
    for word in allowed[:-1]:
        await asked.event(piece(text(f"{word} ")))
    await asked.event(answer(text(allowed[-1]), finish=finish, usage=usage))
    await asked.end_stream()


async def drawing(asked: Call) -> None:
    """Say something, and draw it."""
    await asked.answer(json.dumps(answer(text("Here it is."), picture())).encode())
