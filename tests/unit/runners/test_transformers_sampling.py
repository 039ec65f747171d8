"""The choice of tokens, held against that of `generate`: its own logits processors are the witness."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import GenerationConfig
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from pluggably.adapters.runners.transformers_sampling import Sampling, choose, likely, penalized
from pluggably.domain.parameters import TextParameters

GREEDY = GenerationConfig()
DRAWING = GenerationConfig(do_sample=True, temperature=0.6, top_p=0.9, repetition_penalty=1.2)


def logits_of(seed: int, size: int = 3000) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed)) * 3


def as_generate_does(logits: torch.Tensor, sampling: Sampling) -> set[int]:
    scores = TemperatureLogitsWarper(sampling.temperature)(None, logits[None])
    if sampling.top_k:
        scores = TopKLogitsWarper(sampling.top_k)(None, scores)
    if sampling.top_p < 1:
        scores = TopPLogitsWarper(sampling.top_p)(None, scores)
    if sampling.min_p:
        scores = MinPLogitsWarper(sampling.min_p)(None, scores)
    return set(torch.nonzero(scores[0] > -torch.inf).flatten().tolist())


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    temperature=st.sampled_from([0.3, 1.0, 2.0]),
    top_k=st.sampled_from([None, 1, 40, 5000]),
    top_p=st.sampled_from([0.0, 0.3, 0.9, 0.999, 1.0]),
    min_p=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
)
def test_the_tokens_that_may_be_drawn_are_those_of_generate(seed, temperature, top_k, top_p, min_p):
    logits = logits_of(seed)
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    probabilities, tokens = likely(logits / temperature, sampling)
    mine, theirs = set(tokens.tolist()), as_generate_does(logits, sampling)
    assert len(mine ^ theirs) <= 1  # both add up probabilities, each in another order: the edge may fall either way
    assert len(probabilities) == len(tokens) > 0


def test_a_penalty_is_that_of_generate():
    logits, before = logits_of(1), [5, 7, 7, 2999, 0]
    theirs = RepetitionPenaltyLogitsProcessor(1.7)(torch.tensor([before]), logits[None].clone())[0]
    assert torch.equal(penalized(logits, 1.7, before), theirs)


def test_tokens_are_drawn_as_often_as_they_are_likely():
    logits = torch.tensor([2.0, 1.0, 0.0, -1.0])
    drawn = Counter(choose(logits, Sampling(temperature=1.0, seed=7), [0] * n) for n in range(4000))
    expected = (logits.softmax(-1) * 4000).tolist()
    assert all(abs(drawn[token] - count) < 5 * count**0.5 for token, count in enumerate(expected))


def test_the_same_seed_and_place_draw_the_same_token_and_others_draw_others():
    logits = logits_of(3)
    warm = Sampling(temperature=1.5, seed=5)
    assert choose(logits, warm, [1, 2]) == choose(logits, warm, [3, 4])
    assert len({choose(logits, warm, [0] * n) for n in range(20)}) > 1
    assert len({choose(logits, Sampling(temperature=1.5, seed=seed), [1]) for seed in range(20)}) > 1


def test_temperature_zero_takes_the_likeliest():
    logits = logits_of(4)
    assert choose(logits, Sampling(), [1]) == int(logits.argmax())


@pytest.mark.parametrize(
    ("asked", "defaults", "expected"),
    [
        ({}, GREEDY, {"temperature": 0.0}),
        ({"temperature": 0.7}, GREEDY, {"temperature": 0.7, "top_p": 1.0}),
        ({"top_p": 0.5}, GREEDY, {"temperature": 1.0, "top_p": 0.5}),
        ({"seed": 3}, GREEDY, {"temperature": 1.0, "seed": 3}),
        ({}, DRAWING, {"temperature": 0.6, "top_p": 0.9, "repetition_penalty": 1.2}),
        ({"temperature": 0.0}, DRAWING, {"temperature": 0.0, "repetition_penalty": 1.2}),
        ({"top_p": 0.0, "min_p": 0.0}, DRAWING, {"top_p": 0.0, "min_p": 0.0}),
    ],
)
def test_what_is_not_asked_for_is_the_models_own_default(asked, defaults, expected):
    sampling = Sampling.resolve(TextParameters(**asked), defaults)
    assert {name: getattr(sampling, name) for name in expected} == expected


def test_without_a_seed_each_request_gets_its_own():
    assert len({Sampling.resolve(TextParameters(), GREEDY).seed for _ in range(5)}) == 5
