"""A server of a vendor's API on a free port, down to the bytes: each test says how it answers."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from attrs import define, field


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
        """An event; those that say their type are named by it too, as vendors do."""
        text = data if isinstance(data, str) else json.dumps(data)
        name = f"event: {data['type']}\n" if isinstance(data, dict) and "type" in data else ""
        payload = f"{name}data: {text}\n\n".encode()
        await self.send(f"{len(payload):x}\r\n".encode() + payload + b"\r\n")

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def client_gone(self) -> None:
        await self.reader.read()


Answer = Callable[[Call], Awaitable[None]]


@define
class ApiServer:
    answer: Answer
    base_url: str = ""
    calls: list[Call] = field(factory=list)
    connections: int = 0
    called: asyncio.Event = field(factory=asyncio.Event)
    left: asyncio.Event = field(factory=asyncio.Event)  # a client that had been waiting is gone

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


Served = TypeVar("Served", bound=ApiServer)


@asynccontextmanager
async def serving(served: Served, path: str = "", tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    """Let it serve, below `path`."""
    tasks: set[asyncio.Task] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(served.serve(reader, writer)))

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    served.base_url = f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}{path}"
    try:
        yield served
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


# ── Ways to answer, whatever the vendor ───────────────────────────────────────────────────────────────────────────


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
