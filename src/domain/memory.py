"""How much memory a local model takes, before it is loaded."""

from math import sqrt
from typing import Literal

from attrs import frozen

PROCESS_BYTES = 100 * 2**20
"""The process of an engine without a model, unless the engine says otherwise."""

ORDINARY_CONTEXT_TOKENS = 8_192
"""Assumed where nobody says how long a model's context is."""

CACHE_BYTES = 512 * 2**20
CACHE_SHARE = 0.25
"""Memory for keys and values where they are limited, all taken when the model is loaded: half a gigabyte, or a quarter
of the weights if that is more. It holds 23,000 tokens of SmolLM2-135M in bfloat16 and 32,000 of an 8B Llama, for all
requests together."""


@frozen(kw_only=True)
class Footprint:
    """What an engine makes of a model's files in memory.

    `widens_float16` says that it computes in float32 what is stored in float16, as processors need; on an accelerator
    that is more than it takes. A `context` takes memory for all that is asked for, or is `limited`, or there is `none`.
    """

    process_bytes: int = PROCESS_BYTES
    widens_float16: bool = False
    context: Literal["full", "limited", "none"] = "full"


def estimate_bytes(
    footprint: Footprint,
    *,
    file_bytes: int,
    stored_as: str | None,
    context_tokens: int,
    token_bytes: int | None = None,
) -> int:
    """What a model will take, from its files' size and type, and the context to be kept for it.

    A token of context takes `token_bytes`, if the model's files tell its shape. Else it is about 2.4 times the square
    root of the weights' size: 24 kB for 135 million parameters in 98 MB (23 kB measured), 168 kB for 8 billion in
    4.9 GB (131 kB by its shape). Measured use replaces this once the model is loaded.
    """
    weights = file_bytes * (2 if footprint.widens_float16 and stored_as == "F16" else 1)
    each = 2.4 * sqrt(weights) if token_bytes is None else token_bytes
    context = 0 if footprint.context == "none" else round(each * context_tokens)
    if footprint.context == "limited":
        context = min(context, cache_limit_bytes(weights))
    return footprint.process_bytes + weights + context


def ordinary_bytes(
    footprint: Footprint,
    *,
    file_bytes: int,
    stored_as: str | None,
    context_tokens: int | None,
    token_bytes: int | None = None,
) -> int:
    """What it takes for one conversation of ordinary length, or of its own context where that is shorter."""
    tokens = min(context_tokens or ORDINARY_CONTEXT_TOKENS, ORDINARY_CONTEXT_TOKENS)
    return estimate_bytes(
        footprint, file_bytes=file_bytes, stored_as=stored_as, context_tokens=tokens, token_bytes=token_bytes
    )


def cache_limit_bytes(weight_bytes: int) -> int:
    """The most that keys and values may take, of weights of that size."""
    return max(CACHE_BYTES, int(CACHE_SHARE * weight_bytes))


def attention_bytes(layers: int, key_heads: int, head_size: int) -> int:
    """What a token of context takes in the layers of a transformer: its keys and values, two bytes each number."""
    return 2 * 2 * layers * key_heads * head_size
