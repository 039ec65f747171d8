"""Local text, layer by layer: the engine alone, through `LocalRunners`, and through the whole service over HTTP.

`python -m benchmarks.local_text [model.gguf]` prints a table. Every layer is one `Ask`; all are asked the same, in
turns, so that a noisy machine is noisy for all of them; the medians count.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import aiohttp
from attrs import define, field, frozen

from benchmarks.service import DEMO as DEMO_MODEL
from benchmarks.service import serving
from pluggably.adapters.runners.pool import LocalRunners
from pluggably.adapters.telemetry.logging import configure_logging
from pluggably.domain.generation import Completed, GenerationRequest, Role, TextDelta, text_message
from pluggably.domain.model import LOCAL, Modality, Model
from pluggably.domain.parameters import TEXT_PARAMETERS, TextParameters

DEMO = Path(".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf")
CONTEXT_TOKENS = 8192
OUTPUT_TOKENS = 96
PROMPT_ROUNDS = 3
THROUGHPUT_ROUNDS = 9

Turns = Sequence[tuple[Role, str]]


@frozen(kw_only=True)
class Answer:
    """What one request took."""

    text: str
    tokens: int
    first_s: float
    total_s: float


@define
class Figures:
    """What a layer did, a value a round: tokens a second at 1 and at 8 requests, seconds to the first token."""

    started_s: float
    tokens_per_s: list[float] = field(factory=list)
    tokens_per_s_at_8: list[float] = field(factory=list)
    cold_s: list[float] = field(factory=list)
    next_turn_s: list[float] = field(factory=list)


Ask = Callable[[Turns, int], Awaitable[Answer]]
"""Asks a conversation greedily for at most that many tokens."""


async def first_tokens(ask: Ask, round_: int) -> tuple[float, float]:
    """Seconds to the first token of a prompt of about 1,000 tokens, and of the next turn on it."""
    story = f"Story {round_} of {id(ask)}. " + "The quick brown fox jumps over the lazy dog. " * 100
    cold = await ask([(Role.USER, story)], 16)
    turns = [(Role.USER, story), (Role.ASSISTANT, cold.text), (Role.USER, "And then?")]
    return cold.first_s, (await ask(turns, 1)).first_s


async def throughput(ask: Ask, concurrent: int) -> float:
    """Output tokens a second of that many requests at once."""
    begun = perf_counter()
    prompts = (f"Count from {number} to five hundred in words, separated by commas." for number in range(concurrent))
    answers = await asyncio.gather(*(ask([(Role.USER, prompt)], OUTPUT_TOKENS) for prompt in prompts))
    return sum(answer.tokens for answer in answers) / (perf_counter() - begun)


@asynccontextmanager
async def raw_engine(path: Path) -> AsyncIterator[Ask]:
    """`xllamacpp.Server` in this process, as its own documentation has it; 8 slots of 2,048 tokens."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx, params.n_parallel = 2 * CONTEXT_TOKENS, 8
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = os.cpu_count() or 1
    params.verbosity = 0
    server = xllamacpp.Server(params)

    def ask(turns: Turns, max_tokens: int) -> Answer:
        clock, usage, begun = Clock(), {}, perf_counter()

        def receive(chunk: Mapping) -> None:
            usage.update(chunk.get("usage") or {})
            for choice in chunk["choices"]:
                clock.add(choice["delta"].get("content") or "")

        messages = [{"role": role.value, "content": text} for role, text in turns]
        options = {"stream": True, "stream_options": {"include_usage": True}, "temperature": 0.0}
        server.handle_chat_completions({"messages": messages, "max_tokens": max_tokens, **options}, receive)
        return clock.answer(begun, usage["completion_tokens"])

    yield lambda turns, max_tokens: asyncio.to_thread(ask, turns, max_tokens)


@asynccontextmanager
async def local_runners(path: Path) -> AsyncIterator[Ask]:
    """The port `Generator`, with the model in its child process."""
    runners = LocalRunners()

    async def ask(turns: Turns, max_tokens: int) -> Answer:
        clock, begun = Clock(), perf_counter()
        async for event in runners.generate(request_of(path, turns, max_tokens)):
            if isinstance(event, TextDelta):
                clock.add(event.text)
            elif isinstance(event, Completed):
                return clock.answer(begun, event.usage.output_tokens)
        raise AssertionError("no end")

    yield ask
    await runners.close()


@asynccontextmanager
async def over_http(path: Path) -> AsyncIterator[Ask]:
    """`POST /v1/generations/text` as server-sent events, from a service of its own.

    The client does little, because it takes its time from the same two cores: it reads what comes, and parses the end.
    """
    with serving(path.parent) as service:
        async with aiohttp.ClientSession(service.url) as client:

            async def ask(turns: Turns, max_tokens: int) -> Answer:
                begun, first, read = perf_counter(), 0.0, bytearray()
                body = {
                    "model": DEMO_MODEL,
                    "input": [{"role": role, "content": text} for role, text in turns],
                    "parameters": {"max_tokens": max_tokens, "temperature": 0.0},
                    "stream": True,
                }
                async with client.post("/v1/generations/text", json=body) as response:
                    async for piece in response.content.iter_any():
                        first = first or (perf_counter() if b"event: delta" in piece else 0.0)
                        read += piece
                last = json.loads(bytes(read).rpartition(b"data: ")[2])
                return Answer(
                    text=last["output"][0]["text"],
                    tokens=last["usage"]["output_tokens"],
                    first_s=first - begun,
                    total_s=perf_counter() - begun,
                )

            yield ask


def request_of(path: Path, turns: Turns, max_tokens: int) -> GenerationRequest:
    """The conversation as the use cases would ask it."""
    model = Model(
        id=path.stem,
        name=path.stem,
        modality=Modality.TEXT,
        provider=LOCAL,
        upstream=path.stem,
        origin="discovered",
        parameters=TEXT_PARAMETERS,
        engine="llama_cpp",
        path=str(path),
        size_bytes=path.stat().st_size,
        context_length=CONTEXT_TOKENS,
    )
    return GenerationRequest(
        id="gen_bench",
        modality=Modality.TEXT,
        model=model,
        messages=tuple(text_message(role, text) for role, text in turns),
        parameters=TextParameters(max_tokens=max_tokens, temperature=0.0),
    )


class Clock:
    """Collects an output's text, and when it began."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._first = 0.0

    def add(self, text: str) -> None:
        if text:
            self._first = self._first or perf_counter()
            self._texts.append(text)

    def answer(self, begun: float, tokens: int) -> Answer:
        return Answer(
            text="".join(self._texts), tokens=tokens, first_s=self._first - begun, total_s=perf_counter() - begun
        )


LAYERS = {"raw engine": raw_engine, "through the runners": local_runners, "over HTTP": over_http}


async def run(path: Path) -> dict[str, Figures]:
    """The figures of every layer."""
    figures = {}
    async with AsyncExitStack() as stack:
        asks = {}
        for name, layer in LAYERS.items():
            begun = perf_counter()
            asks[name] = await stack.enter_async_context(layer(path))
            await asks[name]([(Role.USER, "Hello!")], 1)
            figures[name] = Figures(perf_counter() - begun)
        for round_ in range(PROMPT_ROUNDS):
            for name, ask in asks.items():
                cold_s, next_turn_s = await first_tokens(ask, round_)
                figures[name].cold_s.append(cold_s)
                figures[name].next_turn_s.append(next_turn_s)
        for _ in range(THROUGHPUT_ROUNDS):
            for name, ask in asks.items():
                figures[name].tokens_per_s.append(await throughput(ask, 1))
            for name, ask in asks.items():
                figures[name].tokens_per_s_at_8.append(await throughput(ask, 8))
    return figures


def share(mine: Sequence[float], raw: Sequence[float]) -> str:
    """A figure as a share of the raw engine's in the same round: the median of the rounds."""
    return f"{median(a / b for a, b in zip(mine, raw, strict=True)):.0%}"


def table(figures: Mapping[str, Figures]) -> str:
    """A Markdown table."""
    lines = [
        "| llama.cpp | first answer from nothing s | tok/s at 1 | of raw | tok/s at 8 | of raw "
        "| first token, ~1k tokens cold ms | next turn ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    raw = figures["raw engine"]
    for name, it in figures.items():
        lines.append(
            f"| {name} | {it.started_s:.2f} "
            f"| {median(it.tokens_per_s):.0f} | {share(it.tokens_per_s, raw.tokens_per_s)} "
            f"| {median(it.tokens_per_s_at_8):.0f} | {share(it.tokens_per_s_at_8, raw.tokens_per_s_at_8)} "
            f"| {median(it.cold_s) * 1000:.0f} | {median(it.next_turn_s) * 1000:.0f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    configure_logging("warning", "console")
    print(table(asyncio.run(run(Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO))))
