"""A client that only counts server-sent events, so that it does not become what is measured.

    streams.py URL CONNECTIONS STREAMS

Asks with the file named by BENCH_BODIES, and with the key in BENCH_KEY if there is one. Each connection asks for the
next stream when its last one ended. Prints one JSON line.
"""

import asyncio
import json
import os
import statistics
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import uvloop


class Connection(asyncio.Protocol):
    """One keep-alive connection. An event is a `data:`; one that two reads share is found by the tail of the first."""

    def __init__(self, load: "Load") -> None:
        self.load = load

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.ask()

    def ask(self) -> None:
        if self.load.left == 0:
            self.transport.close()
            return
        self.load.left -= 1
        self.tail, self.in_body, self.events, self.asked_at = b"", False, 0, time.perf_counter()
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        data = self.tail + data
        if not self.in_body:
            head, blank, data = data.partition(b"\r\n\r\n")
            if not blank:
                self.tail = head
                return
            if b" 200 " not in head[:16]:
                raise SystemExit(f"refused: {head[:200]!r}")
            self.in_body, self.tail = True, b""
        found = data.count(b"data:")
        if found and not self.events:
            self.load.first_event_s.append(time.perf_counter() - self.asked_at)
        self.events += found
        self.tail = data[-4:]
        if data.endswith(b"0\r\n\r\n"):
            self.load.events += self.events
            self.load.streams += 1
            self.ask()

    def connection_lost(self, _: Exception | None) -> None:
        self.load.open -= 1
        if self.load.open == 0:
            self.load.finished.set_result(None)


class Load:
    def __init__(self, url: str, body: bytes, streams: int) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname, parts.port)
        head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        if key := os.environ.get("BENCH_KEY"):
            head += f"Authorization: Bearer {key}\r\n"
        self.request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        self.left = self.wanted = streams
        self.streams = self.events = self.open = 0
        self.first_event_s: list[float] = []

    async def run(self, connections: int) -> dict[str, float]:
        loop = asyncio.get_running_loop()
        self.finished, self.open = loop.create_future(), connections
        begun = time.perf_counter()
        await asyncio.gather(
            *(loop.create_connection(lambda: Connection(self), *self.address) for _ in range(connections))
        )
        await asyncio.wait_for(self.finished, 120)
        return {
            "events": self.events,
            "per_second": self.events / (time.perf_counter() - begun),
            "first_event_ms": statistics.median(self.first_event_s) * 1e3,
            "failures": self.wanted - self.streams,
        }


if __name__ == "__main__":
    url, connections, streams = sys.argv[1:]
    body = Path(os.environ["BENCH_BODIES"]).read_bytes()
    print(json.dumps(uvloop.run(Load(url, body, int(streams)).run(int(connections)))))
