"""Whether anything is left behind: `python -m benchmarks.soak [--minutes 20]`, with the service as a process.

A mixed load on SQLite sessions: whole answers and streams, turns and requests without a session, upstreams that fail,
cut their stream or never answer, and clients that leave before the first byte or amid the output. Memory is read every
few seconds; its slope is that of a line through what comes after the first quarter. When the load has ended and the
connections that wait for a next request have been given up, as many sockets and tasks must be open as before it.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
from attrs import define, field

from tests.integration.providers.openai_server import (
    Call,
    OpenAIServer,
    chunk,
    completion,
    hang,
    hang_up,
    openai_server,
    streaming,
)

from .service import MB, Running, serving

CLIENTS = 12
PAUSE_S = 0.02
SAMPLE_S = 5.0
WARM_UP = 0.25
TURNS = 20
FAILING = 0.9  # a model that always failed would be left in peace
KEPT_ALIVE_S = 40
"""Longer than connections to the provider wait for their next request."""

SETTINGS = """
[routing]
attempts = 2
failures = 1000
[[providers]]
name = "stub"
base_url = "{base_url}"
models = ["well", "slow", "broken", "cut", "silent"]
[[providers]]
name = "probe"
kind = "benchmarks.task_count:TaskCount"
base_url = "http://127.0.0.1"
models = ["tasks"]
"""

WORDS = [chunk(f"word {number} ") for number in range(60)]
END = (chunk(finish_reason="stop"), "[DONE]")


async def _end(call: Call) -> None:
    await call.end_stream()


async def _slowly(call: Call) -> None:
    await call.begin_stream()
    for word in WORDS:
        await call.event(word)
        await asyncio.sleep(0.005)
    for event in END:
        await call.event(event)
    await call.end_stream()


async def answer(call: Call) -> None:
    """As the model's name says."""
    match call.body["model"], call.body.get("stream", False):
        case "well", False:
            await call.answer(httpx.Response(200, json=completion("word " * 200)).content)
        case "well", True:
            await streaming(*WORDS, *END, then=_end)(call)
        case "broken", False:
            await call.answer(httpx.Response(200, json=completion("word")).content)
        case "slow", _:
            await _slowly(call)
        case "broken", _ if random.random() < FAILING:
            await call.answer(b"<html>broken</html>", 500)
        case "cut", _:
            await streaming(*WORDS[:5], then=hang_up)(call)
        case _:
            await hang(call)


@define
class Load:
    """What one client does, again and again, until it is cancelled."""

    http: httpx.AsyncClient
    chance: random.Random
    done: Counter[str]
    session: str | None = None
    turns: int = 0

    async def go_on(self) -> None:
        kinds = [self.whole, self.stream, self.turn, self.broken, self.cut, self.leave_early, self.leave_amid]
        while True:
            kind = self.chance.choice(kinds)
            await kind()
            self.done[kind.__name__] += 1
            await asyncio.sleep(PAUSE_S)

    async def whole(self) -> None:
        await self._ask("well", expected=200)

    async def stream(self) -> None:
        await self._ask("well", expected=200, stream=True)

    async def turn(self) -> None:
        """A turn of a session, of which a new one begins now and then; the one before is erased."""
        if self.session is None:
            self.session, self.turns = (await self.http.post("/v1/sessions", json={})).json()["id"], 0
        await self._ask("well", expected=200, session_id=self.session, stream=self.chance.random() < 0.5)
        self.turns += 1
        if self.turns == TURNS:
            await self.http.delete(f"/v1/sessions/{self.session}")
            self.session = None

    async def broken(self) -> None:
        await self._ask("broken")

    async def cut(self) -> None:
        await self._ask("cut", expected=200, stream=True)

    async def leave_early(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.chance.uniform(0, 0.05)):
                await self._ask("silent", stream=self.chance.random() < 0.5)

    async def leave_amid(self) -> None:
        async with self.http.stream("POST", "/v1/generations/text", json=_body("slow", stream=True)) as answer:
            pieces = answer.aiter_raw()
            for _ in range(self.chance.randrange(1, 6)):
                await anext(pieces)

    async def _ask(self, model: str, expected: int = 0, **more: object) -> None:
        answer = await self.http.post("/v1/generations/text", json=_body(model, **more))
        if expected and answer.status_code != expected:
            raise SystemExit(f"{model}: {answer.status_code} {answer.text}")


def _body(model: str, **more: object) -> dict[str, object]:
    return {"model": f"stub/{model}", "input": "Say something." * 20} | more


@define
class Held:
    """What the process holds."""

    rss_mb: float
    sockets: int
    tasks: int


@define
class Watch:
    """Looks at the gateway from outside, and asks it for the rest."""

    service: Running
    http: httpx.AsyncClient
    begun: float = field(factory=time.monotonic)
    samples: list[tuple[float, float]] = field(factory=list)

    async def hold(self) -> Held:
        """What it holds now; the connection that asks is among it."""
        answer = await self.http.post("/v1/generations/text", json={"model": "probe/tasks", "input": "?"})
        process = psutil.Process(self.service.pid)
        return Held(
            process.memory_info().rss / MB, len(process.net_connections("all")), int(answer.json()["output"][0]["text"])
        )

    async def look(self, upstream: OpenAIServer) -> None:
        """Note its memory every few seconds, until cancelled."""
        while True:
            await asyncio.sleep(SAMPLE_S)
            self.samples.append(((time.monotonic() - self.begun) / 60, self.service.resident_bytes / MB))
            upstream.calls.clear()
            print(f"{self.samples[-1][0]:5.1f} min {self.samples[-1][1]:7.1f} MB", file=sys.stderr)

    def slope(self) -> float:
        """MB a minute, after the warm-up."""
        kept = self.samples[int(len(self.samples) * WARM_UP) :]
        return statistics.linear_regression(*zip(*kept, strict=True)).slope


async def soak(minutes: float) -> str:
    """A Markdown table."""
    done: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as models:
        async with openai_server(answer) as upstream:
            with serving(Path(models), SETTINGS.format(base_url=upstream.base_url)) as service:
                async with httpx.AsyncClient(base_url=service.url, timeout=60) as asking:
                    watch = Watch(service, asking)
                    before = await watch.hold()
                    await _loaded(service, watch, upstream, done, minutes)
                    await asyncio.sleep(KEPT_ALIVE_S)
                    after = await watch.hold()
    memory = (before.rss_mb, watch.samples[-1][1], after.rss_mb)
    return "\n".join(
        [
            f"| {minutes:g} minutes of mixed load, {sum(done.values()):,} requests | measured | goal |",
            "|---|---|---|",
            f"| growth of memory after the warm-up | {watch.slope():.2f} MB/min | < 1 |",
            f"| memory before, at the end, {KEPT_ALIVE_S} s later | {', '.join(f'{it:.0f}' for it in memory)} MB | |",
            f"| sockets left open | {after.sockets - before.sockets} | 0 |",
            f"| tasks left behind | {after.tasks - before.tasks} | 0 |",
            f"| of the clients, left before the output or amid it | {done['leave_early'] + done['leave_amid']:,} | |",
        ]
    )


async def _loaded(service: Running, watch: Watch, upstream: OpenAIServer, done: Counter[str], minutes: float) -> None:
    looking = asyncio.create_task(watch.look(upstream))
    limits = httpx.Limits(max_connections=None)  # of requests that were cancelled, its pool goes on to count some
    async with httpx.AsyncClient(base_url=service.url, timeout=60, limits=limits) as http:
        clients = [asyncio.create_task(Load(http, random.Random(number), done).go_on()) for number in range(CLIENTS)]
        ended, _ = await asyncio.wait(clients, timeout=minutes * 60, return_when=asyncio.FIRST_EXCEPTION)
        for task in (looking, *clients):
            task.cancel()
        await asyncio.wait({looking, *clients})
    for task in ended:
        task.result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    print(asyncio.run(soak(parser.parse_args().minutes)))
