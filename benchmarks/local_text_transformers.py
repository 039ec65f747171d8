"""The transformers engine against `generate` of the same loaded model, one request after another.

`python -m benchmarks.local_text_transformers [folder]` prints a table. Both are measured in turns, so that a noisy
machine is noisy for both; the medians of the rounds count. The folder is made from the demo GGUF if it is missing.
"""

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter

import psutil
from attrs import frozen
from transformers import AutoTokenizer

from pluggably.adapters.runners.engine import EngineOptions
from pluggably.adapters.runners.transformers_text import TransformersTextEngine
from pluggably.domain.generation import (
    Completed,
    GenerationEvent,
    GenerationRequest,
    Message,
    Role,
    TextDelta,
    text_message,
)
from pluggably.domain.model import LOCAL, Modality, Model
from pluggably.domain.parameters import TEXT_PARAMETERS, TextParameters

DEMO = Path(".cache/safetensors/SmolLM2-135M-Instruct")
DEMO_GGUF = Path(".cache/models/SmolLM2-135M-Instruct.Q4_1.gguf")
CONCURRENT = 8
OUTPUT_TOKENS = 64
ROUNDS = 3


@frozen(kw_only=True)
class Answer:
    """What one request gave, and how soon."""

    text: str
    tokens: int
    first_s: float


@frozen(kw_only=True)
class Round:
    """Tokens a second of eight requests, and seconds to the first token of about 1,000."""

    generate_tokens_per_s: float
    engine_tokens_per_s: float
    cold_s: float
    next_turn_s: float


def measure(engine: TransformersTextEngine, round_: int) -> Round:
    """One round of everything."""
    prompts = [f"Tell me a long story about the number {number} and {round_}." for number in range(CONCURRENT)]
    story = text_message(Role.USER, f"Story {round_}. " + "The quick brown fox jumps over the lazy dog. " * 100)
    cold = ask(engine, [story], 32)
    again = [story, text_message(Role.ASSISTANT, cold.text), text_message(Role.USER, "And then?")]
    return Round(
        generate_tokens_per_s=one_by_one(engine, prompts),
        engine_tokens_per_s=together(engine, prompts),
        cold_s=cold.first_s,
        next_turn_s=ask(engine, again, 2).first_s,
    )


def one_by_one(engine: TransformersTextEngine, prompts: Sequence[str]) -> float:
    """`generate` as the documentation of transformers has it."""
    tokenizer = AutoTokenizer.from_pretrained(engine.model.name_or_path)
    tokens, begun = 0, perf_counter()
    for prompt in prompts:
        conversation = [{"role": "user", "content": prompt}]
        inputs = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_tensors="pt")
        output = engine.model.generate(**inputs, max_new_tokens=OUTPUT_TOKENS, do_sample=False)
        tokens += output.shape[1] - inputs["input_ids"].shape[1]
    return tokens / (perf_counter() - begun)


def together(engine: TransformersTextEngine, prompts: Sequence[str]) -> float:
    """All at once through the engine."""
    begun = perf_counter()
    with ThreadPoolExecutor(len(prompts)) as threads:
        answers = list(threads.map(lambda it: ask(engine, [text_message(Role.USER, it)], OUTPUT_TOKENS), prompts))
    return sum(answer.tokens for answer in answers) / (perf_counter() - begun)


def ask(engine: TransformersTextEngine, messages: Sequence[Message], max_tokens: int) -> Answer:
    """One greedy request."""
    begun = perf_counter()
    arrivals: list[float] = []
    events: list[GenerationEvent] = []

    def receive(event: GenerationEvent) -> None:
        arrivals.append(perf_counter() - begun)
        events.append(event)

    engine.generate(request_of(messages, max_tokens), receive, lambda: False)
    completed = events[-1]
    assert isinstance(completed, Completed)
    return Answer(
        text="".join(event.text for event in events if isinstance(event, TextDelta)),
        tokens=completed.usage.output_tokens,
        first_s=arrivals[0],
    )


def request_of(messages: Sequence[Message], max_tokens: int) -> GenerationRequest:
    """The conversation as the use cases would ask it."""
    model = Model(
        id="bench",
        name="bench",
        modality=Modality.TEXT,
        provider=LOCAL,
        upstream="bench",
        origin="discovered",
        parameters=TEXT_PARAMETERS,
    )
    return GenerationRequest(
        id="gen_bench",
        modality=Modality.TEXT,
        model=model,
        messages=tuple(messages),
        parameters=TextParameters(max_tokens=max_tokens, temperature=0.0),
    )


def run(folder: Path) -> str:
    """A Markdown table of everything."""
    if not folder.exists() and folder == DEMO:
        subprocess.run([sys.executable, "-m", "tools.gguf_to_safetensors", str(DEMO_GGUF), str(DEMO)], check=True)
    begun = perf_counter()
    engine = TransformersTextEngine(EngineOptions(path=str(folder), parallel=CONCURRENT))
    load_s = perf_counter() - begun
    rounds = [measure(engine, round_) for round_ in range(ROUNDS)]
    resident_mib = psutil.Process().memory_info().rss >> 20
    engine.close()
    return table(rounds, load_s, resident_mib)


def table(rounds: Sequence[Round], load_s: float, resident_mib: int) -> str:
    """The median of each figure."""
    generate = median(it.generate_tokens_per_s for it in rounds)
    engine = median(it.engine_tokens_per_s for it in rounds)
    cold, next_turn = median(it.cold_s for it in rounds), median(it.next_turn_s for it in rounds)
    return "\n".join(
        (
            "| transformers | load s | RSS MiB | 8 requests, `generate` in turn tok/s | 8 at once, engine tok/s "
            "| first token, ~1k tokens cold ms | next turn ms |",
            "|---|---|---|---|---|---|---|",
            f"| engine | {load_s:.1f} | {resident_mib} | {generate:.0f} | {engine:.0f} ({engine / generate:.1f}×) "
            f"| {cold * 1000:.0f} | {next_turn * 1000:.0f} ({cold / next_turn:.1f}× sooner) |",
        )
    )


if __name__ == "__main__":
    print(run(Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO))
