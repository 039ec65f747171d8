"""How much a batch of transformers 5.23 holds: its steps, and the cache of keys and values.

Left alone the library takes 60 % of the memory that is free, and fetches attention kernels from the hub if it can. When
the cache is full, what is kept of finished requests goes first, all at once; then requests wait, or begin anew with the
tokens they have: that is slow, and loses nothing.
"""

from math import ceil

import torch
from transformers import ContinuousBatchingConfig, PreTrainedConfig, PreTrainedModel

from ...domain.memory import cache_limit_bytes

PAGE_TOKENS = 32
"""Tokens of a block, the unit in which prompts share what was computed: with the library's 256 the next turn of a
conversation computes up to 255 tokens of its history again."""

BATCH_TOKENS = 128
"""Tokens in one step of the model: between two steps requests come, go and are cancelled. On two cores a step of 128
takes 0.2 s of SmolLM2-135M in bfloat16, and prompts are read as fast as in steps of 512."""


def cache_tokens(model: PreTrainedModel, wanted: int) -> int:
    """How many tokens there is memory for: as many as wanted, within the limit of the cache."""
    weights: int = model.get_memory_footprint()  # type: ignore[no-untyped-call]  # has no annotations
    return min(wanted, cache_limit_bytes(weights) // bytes_per_token(model.config.get_text_config(), model.dtype))


def bytes_per_token(config: PreTrainedConfig, dtype: torch.dtype) -> int:
    """What the keys and values of a token take in the cache."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * dtype.itemsize)


def to_config(*, tokens: int, parallel: int) -> ContinuousBatchingConfig:
    """A batch with room for that many tokens."""
    return ContinuousBatchingConfig(
        page_size=PAGE_TOKENS,
        num_blocks=ceil(tokens / PAGE_TOKENS) + 1,
        max_batch_tokens=BATCH_TOKENS,
        max_requests_per_batch=parallel,
        max_queue_size=2 * parallel,
        use_async_batching=False,
        use_cuda_graph=False,
        auto_switch_to_flash=False,
    )
