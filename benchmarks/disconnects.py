"""How soon the upstream is let go when a client leaves: `python -m benchmarks.disconnects`.

Clients and upstream are here, the gateway is a process. The time runs from the client's reset to the end of the
upstream's connection, for clients one by one and for many that leave at the same moment.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from tests.integration.http.world import raw_connection
from tests.integration.providers.openai_server import Answer, Call, chunk, hang, openai_server, stalling_body, streaming

from .service import serving

ROUNDS = 50
TOGETHER = 64
GOAL_MS = 250
SETTINGS = """
[[providers]]
name = "stub"
base_url = "{base_url}"
models = ["*"]
"""
MOMENTS: Mapping[str, tuple[Answer, bool]] = {
    "before the head": (hang, False),
    "amid the body": (stalling_body, False),
    "before the first token": (streaming(chunk("", role="assistant"), then=hang), True),
    "between two tokens": (streaming(chunk("one "), then=hang), True),
}


class Upstream:
    """Answers as it is told; each request has a name, by which it is known when it came and when it was let go."""

    def __init__(self) -> None:
        self.answer: Answer = hang
        self.came: dict[str, asyncio.Event] = {}
        self.let_go: dict[str, asyncio.Future[float]] = {}

    async def __call__(self, call: Call) -> None:
        name = call.body["messages"][0]["content"]
        self.came[name].set()
        try:
            await self.answer(call)
        finally:
            self.let_go[name].set_result(time.perf_counter())

    async def left(self, url: str, name: str, gate: asyncio.Barrier, *, stream: bool) -> float:
        """How long it takes, in ms, after all that wait at the gate have come to the same point."""
        self.came[name], self.let_go[name] = asyncio.Event(), asyncio.get_running_loop().create_future()
        async with raw_connection(url) as client:
            body = {"model": "stub/any", "input": name, "stream": stream}
            await client.post("/v1/generations/text", json.dumps(body).encode())
            await self.came[name].wait()
            if stream and self.answer is MOMENTS["between two tokens"][0]:
                await client.until(b"one ")
            await gate.wait()
            begun = time.perf_counter()
            client.leave()
            return 1000 * (await self.let_go[name] - begun)


async def report() -> str:
    """A Markdown table."""
    upstream, rows = Upstream(), []
    with tempfile.TemporaryDirectory() as models:
        async with openai_server(upstream) as server:
            with serving(Path(models), SETTINGS.format(base_url=server.base_url)) as service:
                for moment, (upstream.answer, stream) in MOMENTS.items():
                    alone = [
                        await upstream.left(service.url, f"{moment} {number}", asyncio.Barrier(1), stream=stream)
                        for number in range(ROUNDS)
                    ]
                    gate = asyncio.Barrier(TOGETHER)
                    names = [f"{moment} {number} of all" for number in range(TOGETHER)]
                    together = await asyncio.gather(
                        *(upstream.left(service.url, it, gate, stream=stream) for it in names)
                    )
                    rows.append(
                        f"| {moment} | {statistics.median(alone):.1f} | {max(alone):.1f} | {max(together):.1f} | "
                        f"< {GOAL_MS} |"
                    )
    head = f"| a client leaves | median ms | slowest of {ROUNDS} ms | slowest of {TOGETHER} at once ms | goal ms |"
    return "\n".join([head, "|---|---|---|---|---|", *rows])


if __name__ == "__main__":
    print(asyncio.run(report()))
