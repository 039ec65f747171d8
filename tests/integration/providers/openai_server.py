"""A server of OpenAI's API on a free port, down to the bytes: each test says how it answers."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from attrs import define, field

from pluggably.adapters.providers.openai.provider import OpenAIProvider

COUNTING = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"


@define
class Call:
    """One request as the server got it, and the way to answer it; `body` is what JSON there is in `content`."""

    head: str
    content: bytes
    body: dict
    connection: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @property
    def path(self) -> str:
        return self.head.split()[1]

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def answer(
        self, body: bytes, status: int = 200, media_type: str = "application/json", **headers: str
    ) -> None:
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = [f"HTTP/1.1 {status} X", f"Content-Type: {media_type}", f"Content-Length: {len(body)}", *lines]
        await self.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    async def begin_stream(self) -> None:
        await self.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")

    async def event(self, data: dict | str) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        payload = f"data: {text}\n\n".encode()
        await self.send(f"{len(payload):x}\r\n".encode() + payload + b"\r\n")

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def client_gone(self) -> None:
        await self.reader.read()


Answer = Callable[[Call], Awaitable[None]]


@define
class OpenAIServer:
    answer: Answer
    base_url: str = ""
    calls: list[Call] = field(factory=list)
    connections: int = 0
    called: asyncio.Event = field(factory=asyncio.Event)
    left: asyncio.Event = field(factory=asyncio.Event)  # a client that had been waiting is gone

    def provider(self, **settings) -> OpenAIProvider:
        ordinary = {"name": "stub", "base_url": self.base_url, "api_key": "sk-secret", "models": ["gpt-test"]}
        return OpenAIProvider(**(ordinary | settings))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while call := await _read_call(reader, writer, number):
                self.calls.append(call)
                self.called.set()
                await self.answer(call)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.left.set()
            writer.close()


async def _read_call(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> Call | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    length = int(_header(head, "content-length") or 0)
    content = await reader.readexactly(length)
    body = json.loads(content) if content and _header(head, "content-type") == "application/json" else {}
    return Call(head, content, body, connection, reader, writer)


def _header(head: str, name: str) -> str:
    return head.lower().partition(f"\r\n{name}:")[2].partition("\r\n")[0].strip()


@asynccontextmanager
async def openai_server(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[OpenAIServer]:
    served = OpenAIServer(answer)
    tasks: set[asyncio.Task] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(served.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    served.base_url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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


async def hang(call: Call) -> None:
    """Say nothing (more) until the client is gone."""
    await call.client_gone()


async def hang_up(call: Call) -> None:
    call.writer.close()


async def end(call: Call) -> None:
    await call.end_stream()


def streaming(*events: dict | str, then: Answer) -> Answer:
    """Stream these events, and then do that."""

    async def answer(call: Call) -> None:
        await call.begin_stream()
        for event in events:
            await call.event(event)
        await then(call)

    return answer


async def stalling_body(call: Call) -> None:
    await call.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{")
    await call.client_gone()
