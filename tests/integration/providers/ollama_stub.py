"""Ollama's native API as its documentation shows it (November 2026), on a free port."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field

from pluggably.adapters.providers.ollama.provider import OllamaProvider

from .openai_server import COUNTING, Answer, Call, OpenAIServer, openai_server

TAGS = {
    "llama3.2:latest": {
        "size": 2019393189,
        "digest": "a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72",
    },
    "qwen3-vl:8b": {"size": 6140000000, "digest": "901cae73216286c0cb5aa7ba5a2b2a2b7fd3d06c1c5ec2a7d9c2ee3ff5ad1c47"},
    "nomic-embed-text:latest": {
        "size": 274302450,
        "digest": "0a109f422b47e3a30ba2b10eca18548e944e8a23073ee3f3e947efcf3c45e59f",
    },
}
SHOWN = {
    "llama3.2:latest": (["completion", "tools"], {"general.architecture": "llama", "llama.context_length": 131072}),
    "qwen3-vl:8b": (
        ["completion", "vision", "thinking"],
        {"general.architecture": "qwen3vl", "qwen3vl.context_length": 262144},
    ),
    "nomic-embed-text:latest": (
        ["embedding"],
        {"general.architecture": "nomic-bert", "nomic-bert.context_length": 2048},
    ),
}
LAST = {
    "total_duration": 4883583458,
    "load_duration": 1334875,
    "prompt_eval_count": 26,
    "prompt_eval_duration": 342546000,
    "eval_duration": 4535599000,
}


def line(**facts) -> dict:
    return {"model": "llama3.2", "created_at": "2026-08-04T08:52:19.385406455-07:00", "done": False} | facts


def said(content: str = "", **facts) -> dict:
    return line(message={"role": "assistant", "content": content} | facts)


def last(reason: str = "stop", eval_count: int = 2, **facts) -> dict:
    end = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": reason}
    return line(**end, **LAST, eval_count=eval_count) | facts


def whole(content: str = "Hello.", **message) -> dict:
    return last(message={"role": "assistant", "content": content} | message)


async def begin(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n")


async def send_line(call: Call, data: dict) -> None:
    payload = json.dumps(data).encode() + b"\n"
    await call.send(f"{len(payload):x}\r\n".encode() + payload + b"\r\n")


def saying(*lines: dict, then: Answer | None = None) -> Answer:
    """Stream these lines; or answer with the one, if nothing is to be streamed."""

    async def answer(call: Call) -> None:
        if not call.body.get("stream"):
            await call.answer(json.dumps(lines[0]).encode())
            return
        await begin(call)
        for data in lines:
            await send_line(call, data)
        await (then(call) if then else call.end_stream())

    return answer


async def counting(call: Call) -> None:
    """Count in words, one word a token, as far as `num_predict` allows; whole or streamed."""
    words = COUNTING.split()
    allowed = words[: call.body["options"].get("num_predict")]
    reason = "stop" if len(allowed) == len(words) else "length"
    pieces = [said(f"{word} ") for word in allowed] if call.body["stream"] else []
    end = last(reason, len(allowed))
    if not pieces:
        end["message"]["content"] = " ".join(allowed)
    await saying(*pieces, end)(call)


@define
class OllamaStub:
    """Chats as `chat` says; has the models `tags`, unless it is `away`. `asked` counts requests by path."""

    chat: Answer = counting
    tags: dict = field(factory=lambda: dict(TAGS))
    away: Answer | None = None
    asked: dict[str, int] = field(factory=dict)

    async def answer(self, call: Call) -> None:
        self.asked[call.path] = self.asked.get(call.path, 0) + 1
        if call.path == "/api/chat":
            await self.chat(call)
        elif self.away is not None:
            await self.away(call)
        elif call.path == "/api/tags":
            models = [{"name": name, "model": name} | self._facts(name) for name in self.tags]
            await call.answer(json.dumps({"models": models}).encode())
        else:
            await self._show(call)

    def _facts(self, name: str) -> dict:
        return self.tags[name] | {"details": {"format": "gguf", "quantization_level": "Q4_K_M"}}

    async def _show(self, call: Call) -> None:
        if (name := call.body["model"]) not in SHOWN:
            await call.answer(b'{"error":"model not found"}', 404)
            return
        capabilities, info = SHOWN[name]
        shown = {"license": "…", "template": "…", "capabilities": capabilities, "model_info": info}
        await call.answer(json.dumps(shown).encode())


@asynccontextmanager
async def ollama(stub: OllamaStub, **settings) -> AsyncIterator[tuple[OllamaProvider, OpenAIServer]]:
    """A provider of the stub, and the server that it runs on."""
    async with openai_server(stub.answer) as server:
        ordinary = {"name": "stub", "base_url": server.base_url.removesuffix("/v1"), "api_key": None}
        provider = OllamaProvider(**(ordinary | {"models": ["*"]} | settings))
        try:
            yield provider, server
        finally:
            await provider.close()
