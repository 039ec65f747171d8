"""What the transformers engine makes of every parameter, of long conversations, and of being cancelled.

The model is in float32 here, where its output does not depend on what else is in the batch, so that outputs can be
compared. The engine runs in this process, as its child process would run it: a thread for each request.
"""

import json
import pickle
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
import torch
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

from pluggably.adapters.runners.engine import EngineOptions
from pluggably.adapters.runners.transformers_text import Reply, TransformersTextEngine
from pluggably.domain.errors import ContextLengthExceeded, InvalidRequest, RunnerCrashed
from pluggably.domain.generation import (
    Completed,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    ImagePart,
    Message,
    Role,
    TextDelta,
    ToolCallPart,
    ToolResultPart,
    text_message,
)
from tests.builders import a_request

SEA = "Write a sentence about the sea."
CONTEXT = 1024


@pytest.fixture(scope="module")
def folder(demo_safetensors, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("float32")
    AutoModelForCausalLM.from_pretrained(demo_safetensors, dtype=torch.float32).save_pretrained(path)
    AutoTokenizer.from_pretrained(demo_safetensors).save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def engine(folder) -> Iterator[TransformersTextEngine]:
    engine = TransformersTextEngine(EngineOptions(path=str(folder), context_length=CONTEXT))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def tokenizer(folder):
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture
def events_of(engine) -> Callable[..., list[GenerationEvent]]:
    def events_of(request: GenerationRequest, stopped: Callable[[], bool] = lambda: False) -> list[GenerationEvent]:
        events: list[GenerationEvent] = []
        engine.generate(request, events.append, stopped)
        return events

    return events_of


@pytest.fixture
def ask(events_of) -> Callable[..., Completed]:
    def ask(*messages, **parameters) -> Completed:
        return events_of(a_request(*messages, **({"max_tokens": 16} | parameters)))[-1]

    return ask


@pytest.fixture
def text_of(ask) -> Callable[..., str]:
    return lambda *messages, **parameters: ask(*messages, **parameters).output[0].text


@contextmanager
def steps_of(engine: TransformersTextEngine) -> Iterator[list[int]]:
    """How many tokens each step of the model computes."""
    sizes: list[int] = []
    hook = engine.model.register_forward_pre_hook(
        lambda _, __, inputs: sizes.append(inputs["input_ids"].shape[-1]), with_kwargs=True
    )
    yield sizes
    hook.remove()


def deltas(events: list[GenerationEvent]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_weights_keep_the_type_they_are_stored_in(engine, demo_safetensors):
    assert engine.model.dtype is torch.float32
    assert json.loads((demo_safetensors / "config.json").read_text())["dtype"] == "bfloat16"


def test_eight_at_once_answer_as_generate_does_one_by_one(engine, tokenizer, text_of):
    questions = [f"What comes after the number {number}?" for number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda it: text_of(it, temperature=0.0, max_tokens=12), questions))
    assert together == [generated(engine, tokenizer, it, 12) for it in questions]


def generated(engine, tokenizer, question: str, max_tokens: int) -> str:
    conversation = [{"role": "user", "content": question}]
    inputs = tokenizer.apply_chat_template(conversation, add_generation_prompt=True, return_tensors="pt")
    output = engine.model.generate(**inputs, max_new_tokens=max_tokens, do_sample=False)
    return tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


@pytest.mark.parametrize("certain", [{"temperature": 0.0}, {"top_k": 1}, {"top_p": 0.0}, {"min_p": 1.0}])
def test_parameters_that_leave_only_the_likeliest_token_leave_no_choice(text_of, certain):
    assert (
        len({text_of(SEA, seed=seed, max_tokens=8, **certain) for seed in range(2)} | {text_of(SEA, max_tokens=8)}) == 1
    )


def test_a_high_temperature_varies_more(text_of):
    mild = {text_of(SEA, seed=seed, temperature=0.01, max_tokens=8) for seed in range(3)}
    wild = {text_of(SEA, seed=seed, temperature=2.0, max_tokens=8) for seed in range(3)}
    assert len(mild) < len(wild)


def test_the_same_seed_gives_the_same_text_whatever_else_is_in_the_batch(text_of):
    alone = text_of(SEA, seed=1, temperature=1.0)
    with ThreadPoolExecutor(4) as threads:
        among_others = list(threads.map(lambda seed: text_of(SEA, seed=seed, temperature=1.0), range(4)))
    assert among_others[1] == alone
    assert len(set(among_others)) > 1


def test_the_seed_that_was_used_is_told_and_gives_the_same_text(ask):
    answer = ask(SEA, temperature=1.0)
    assert ask(SEA, temperature=1.0, seed=answer.seed).output == answer.output
    assert ask(SEA, temperature=0.0).seed is None


def test_a_repetition_penalty_keeps_a_text_from_repeating_itself(text_of):
    words = "Say the word yes forever: yes yes yes yes yes yes yes yes"
    plain = text_of(words, temperature=0.0, max_tokens=32).split()
    varied = text_of(words, temperature=0.0, max_tokens=32, repetition_penalty=1.8).split()
    assert len(set(varied)) / len(varied) > len(set(plain)) / len(plain)


def test_a_text_ends_before_a_stop_string_that_spans_tokens(engine, events_of, text_of):
    whole = text_of(SEA, temperature=0.0)
    stop = whole[len(whole) // 2 :][:7]
    with steps_of(engine) as steps:
        events = events_of(a_request(SEA, temperature=0.0, max_tokens=500, stop=(stop,)))
    assert deltas(events) == events[-1].output[0].text == whole[: whole.index(stop)]
    assert events[-1].finish_reason is FinishReason.STOP
    assert len(steps) <= events[-1].usage.output_tokens + 1


def test_max_tokens_are_counted_exactly(ask):
    answer = ask(SEA, max_tokens=5)
    assert (answer.usage.output_tokens, answer.finish_reason) == (5, FinishReason.LENGTH)


def test_an_answer_that_ends_by_itself_has_stopped(ask):
    answer = ask("What is 2 + 2? Answer with one number.", temperature=0.0, max_tokens=60)
    assert answer.finish_reason is FinishReason.STOP
    assert answer.usage.output_tokens < 60


def test_without_streaming_there_is_only_the_whole(events_of):
    events = events_of(evolve(a_request(SEA, max_tokens=4), stream=False))
    assert [type(event) for event in events] == [Completed]
    assert events[0].output[0].text


def test_the_next_turn_computes_only_what_is_new(engine, ask, text_of):
    story = text_message(Role.USER, "Here are some words: " + "sea ship storm " * 60)
    first = ask(story, temperature=0.0)
    again = (story, text_message(Role.ASSISTANT, first.output[0].text), text_message(Role.USER, "Go on."))
    with steps_of(engine) as steps:
        second = ask(*again, temperature=0.0, max_tokens=2)
    assert first.usage.cached_input_tokens < first.usage.input_tokens / 2
    assert second.usage.cached_input_tokens >= first.usage.input_tokens // 32 * 32
    assert steps[0] == second.usage.input_tokens - second.usage.cached_input_tokens


def test_a_conversation_too_long_for_the_context_is_refused_with_both_numbers(ask, engine):
    with pytest.raises(ContextLengthExceeded, match=rf"has 15\d\d tokens.*room for {CONTEXT}"):
        ask("word " * 1500)
    assert engine.context_length == CONTEXT


def test_an_answer_ends_with_length_when_the_context_is_full(ask):
    beyond = ask("word", max_tokens=1).usage.input_tokens - 1
    answer = ask("word" + " word" * (CONTEXT - beyond - 4), max_tokens=500, temperature=2.0, seed=1)
    assert (answer.finish_reason, answer.usage.output_tokens) == (FinishReason.LENGTH, 3)


def test_a_request_that_is_cancelled_amid_its_answer_is_not_computed_any_more(engine, events_of):
    events: list[GenerationEvent] = []
    request = a_request(SEA, max_tokens=1000, temperature=2.0, seed=1)
    engine.generate(request, events.append, lambda: len(events) >= 3)
    with steps_of(engine) as steps:
        after = events_of(a_request("Name a colour.", max_tokens=8))[-1]
    assert len(events) == 3
    assert not any(isinstance(event, Completed) for event in events)
    prompt = steps.index(max(steps))
    assert prompt <= 1, "at most the step that was under way comes first"
    assert set(steps[prompt + 1 :]) == {1}, "only the second request's token is computed"
    assert isinstance(after, Completed)


def test_a_request_that_is_cancelled_before_its_first_token_is_not_computed_any_more(engine, events_of):
    asked = count()
    with steps_of(engine) as steps:
        assert events_of(a_request("river " * 950), stopped=lambda: next(asked) > 0) == []
        assert isinstance(events_of(a_request("Name a colour.", max_tokens=2))[-1], Completed)
    assert sum(steps) < 700


def test_a_request_whose_client_was_gone_from_the_start_yields_nothing(events_of):
    assert events_of(a_request(SEA), stopped=lambda: True) == []


def test_when_a_step_fails_its_requests_fail_and_the_next_one_is_served(engine, ask):
    def fail(*_: object) -> None:
        hook.remove()
        raise RuntimeError("out of order")

    hook = engine.model.register_forward_pre_hook(fail)
    with pytest.raises(RunnerCrashed):
        ask(SEA)
    assert ask(SEA, max_tokens=2).usage.output_tokens == 2


@pytest.mark.parametrize(
    "message",
    [
        Message(Role.USER, (ImagePart("data:image/png;base64,AA=="),)),
        Message(Role.ASSISTANT, (ToolCallPart("1", "f", "{}"),)),
        Message(Role.TOOL, (ToolResultPart("1", "4"),)),
    ],
)
def test_what_the_model_cannot_read_is_refused(ask, message):
    with pytest.raises(InvalidRequest, match="/input/1"):
        ask("Look:", message)


@pytest.mark.parametrize("asked", [{"response_format": {"type": "json_object"}}, {"tools": ({},)}, {"stop": ("",)}])
def test_a_parameter_that_is_not_honoured_is_refused(ask, asked):
    with pytest.raises(InvalidRequest, match=f"/parameters/{next(iter(asked))}"):
        ask(SEA, **asked)


@pytest.fixture
def plain_folder(folder, tmp_path) -> Path:
    """A model of 3 million random weights in float16, and a tokenizer without a chat template."""
    shape = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=49152, **shape)).half().save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_what_a_folder_lacks_is_said(plain_folder):
    engine = TransformersTextEngine(EngineOptions(path=str(plain_folder)))
    try:
        assert engine.model.dtype is torch.float32, "processors are slow at float16"
        with pytest.raises(InvalidRequest, match="no chat template"):
            engine.generate(a_request(SEA), lambda _: None, lambda: False)
    finally:
        engine.close()


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.sampled_from("aé漢😀👩‍🚀 \n\u200d"), max_size=12))
def test_characters_of_several_tokens_arrive_whole(tokenizer, text):
    pieces: list[TextDelta] = []
    reply = Reply(pieces.append, decoder=tokenizer.backend_tokenizer, end_tokens=(), stop=())
    for token in tokenizer.backend_tokenizer.encode(text).ids:
        reply.add(token)
    assert "".join(piece.text for piece in pieces) == text
    assert all(piece.text.encode() for piece in pieces)


def test_weights_that_could_run_code_are_never_opened(folder, tmp_path):
    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(OSError, match=r"model\.safetensors"):
        TransformersTextEngine(EngineOptions(path=str(tmp_path)))
    assert not (tmp_path / "ran").exists()


def test_code_that_comes_with_a_model_is_never_run(folder, tmp_path):
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "custom", "auto_map": {"AutoConfig": "custom.Config", "AutoModelForCausalLM": "custom.M"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "custom.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(ValueError, match="trust_remote_code"):
        TransformersTextEngine(EngineOptions(path=str(tmp_path)))
    assert not (tmp_path / "ran").exists()
