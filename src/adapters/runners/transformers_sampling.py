"""How the next token is chosen, for each request of a batch by itself.

The batch of transformers 5.23 draws for all its requests with one random generator, knows temperature, top_k and top_p
only, sorts the whole vocabulary for each of them, and drops a repetition penalty. So the drawing is done here, where
the batch lets logits be processed, and the batch is left to take the highest score. The order of the steps is that of
`generate`: penalty, temperature, top_k, top_p, min_p.

A draw depends on nothing but the logits, the seed and the position. The logits of one request differ in their last
digits with the others in its batch: in float32 that did not change an output. In bfloat16 the same seed gave the same
text 12 times in 12 while nothing else ran, but amid seven other requests one in eight; greedy output is no different.
"""

import random
import secrets
from collections.abc import Sequence
from typing import Any

import torch
from attrs import frozen

from ...domain.parameters import TextParameters

MAX_SEED = 2**32 - 2
LIKELIEST = 1_024
"""Tokens that are nearly always enough for `top_p`; they are found in a seventh of the time that sorting all takes."""


@frozen(kw_only=True)
class Sampling:
    """How to choose the tokens of one request. Temperature 0 takes the likeliest; `top_k` None is no limit."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int | None = None
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int = 0

    @classmethod
    def resolve(cls, asked: TextParameters, defaults: Any) -> "Sampling":
        """What the request asks for, and the model's own defaults (its `generation_config.json`) for the rest.

        A model that takes the likeliest token by default draws, at temperature 1, if the request says how to draw.
        """

        def either(name: str, otherwise: Any) -> Any:
            value = getattr(asked, name)
            value = getattr(defaults, name, None) if value is None else value
            return otherwise if value is None else value

        draws = any(it is not None for it in (asked.top_p, asked.top_k, asked.min_p, asked.seed))
        greedy = asked.temperature is None and not defaults.do_sample and not draws
        return cls(
            temperature=0.0 if greedy else either("temperature", 1.0),
            top_p=either("top_p", 1.0),
            top_k=either("top_k", None) or None,
            min_p=either("min_p", 0.0),
            repetition_penalty=either("repetition_penalty", 1.0),
            seed=secrets.randbelow(MAX_SEED + 1) if asked.seed is None else asked.seed,
        )


def choose(logits: torch.Tensor, sampling: Sampling, before: Sequence[int]) -> int:
    """The next token: `logits` is one row of the vocabulary, `before` all tokens so far, the prompt's among them."""
    if sampling.repetition_penalty != 1:
        logits = penalized(logits, sampling.repetition_penalty, before)
    if sampling.temperature == 0:
        return int(logits.argmax())
    probabilities, tokens = likely(logits / sampling.temperature, sampling)
    cumulative = probabilities.cumsum(-1)
    drawn = random.Random(sampling.seed << 32 | len(before)).random()  # noqa: S311 - no secret depends on it
    index = int(torch.searchsorted(cumulative, cumulative[-1] * drawn, right=True))
    return int(tokens[min(index, len(tokens) - 1)])


def penalized(logits: torch.Tensor, penalty: float, before: Sequence[int]) -> torch.Tensor:
    """The logits with those of the tokens `before` divided by the penalty, or multiplied where they are negative."""
    seen = torch.tensor(sorted(set(before)), device=logits.device)
    scores = logits[seen]
    return logits.index_put((seen,), torch.where(scores < 0, scores * penalty, scores / penalty))


def likely(logits: torch.Tensor, sampling: Sampling) -> tuple[torch.Tensor, torch.Tensor]:
    """The tokens that may be drawn, with their probabilities; these need not add up to 1."""
    probabilities = logits.softmax(-1)
    tokens = torch.arange(len(probabilities), device=probabilities.device)
    if sampling.top_k:
        probabilities, tokens = probabilities.topk(min(sampling.top_k, len(tokens)))
    elif sampling.top_p < 1:
        probabilities, tokens = _holding(probabilities, sampling.top_p)
    kept = probabilities >= sampling.min_p * probabilities.max()
    if sampling.top_p < 1:
        total = probabilities.sum() if sampling.top_k else 1.0
        kept &= probabilities.cumsum(-1) - probabilities < sampling.top_p * total
        kept[0] = True
    return probabilities[kept], tokens[kept]


def _holding(probabilities: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Likeliest tokens, in order, at least as many as hold that share of the probability."""
    few = probabilities.topk(min(LIKELIEST, len(probabilities)))
    found = few if few.values.sum() >= share else probabilities.topk(len(probabilities))
    return found.values, found.indices
