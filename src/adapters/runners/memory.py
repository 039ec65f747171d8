"""What a model will take, and which loaded models make room for it: pure arithmetic."""

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import Literal

from attrs import frozen

PROCESS_BYTES = 100 * 2**20
"""The process of an engine without a model, unless the engine says otherwise."""

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


@frozen(kw_only=True)
class Resident:
    """A model in memory, or about to be; a `busy` one stays. `last_used` only has to grow."""

    key: Hashable
    size_bytes: int
    busy: bool
    last_used: float


def estimate_bytes(footprint: Footprint, *, file_bytes: int, stored_as: str | None, context_tokens: int) -> int:
    """What a model will take, from its files' size and type, and the context to be kept for it.

    A token of context takes about 2.4 times the square root of the weights' size: 24 kB for 135 million parameters in
    98 MB (23 kB measured), 168 kB for 8 billion in 4.9 GB (131 kB by its shape). Measured use replaces this once the
    model is loaded.
    """
    weights = file_bytes * (2 if footprint.widens_float16 and stored_as == "F16" else 1)
    context = 0 if footprint.context == "none" else round(2.4 * sqrt(weights) * context_tokens)
    if footprint.context == "limited":
        context = min(context, cache_limit_bytes(weights))
    return footprint.process_bytes + weights + context


def cache_limit_bytes(weight_bytes: int) -> int:
    """The most that keys and values may take, of weights of that size."""
    return max(CACHE_BYTES, int(CACHE_SHARE * weight_bytes))


def to_unload(residents: Sequence[Resident], *, needed_bytes: int, limit_bytes: int) -> tuple[Hashable, ...] | None:
    """The models to unload so that `needed_bytes` more fit: idle ones, least recently used first, no more than needed.

    None: not even unloading all idle ones would do.
    """
    excess = sum(resident.size_bytes for resident in residents) + needed_bytes - limit_bytes
    chosen: list[Hashable] = []
    for resident in sorted(residents, key=lambda it: it.last_used):
        if excess <= 0:
            break
        if not resident.busy:
            chosen.append(resident.key)
            excess -= resident.size_bytes
    return tuple(chosen) if excess <= 0 else None
