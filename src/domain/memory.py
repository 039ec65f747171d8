"""How much memory a local model takes, before it is loaded."""

from math import sqrt

PROCESS_BYTES = 100 * 2**20
"""An engine's process without a model."""

ORDINARY_CONTEXT_TOKENS = 8_192
"""Assumed where nobody says how long a model's context is."""


def estimate_bytes(file_bytes: int, context_tokens: int, token_bytes: int | None = None) -> int:
    """What a model will take, from its files' size and the context to be kept for it.

    A token of context takes `token_bytes`, if the model's files tell its shape. Else it is about 2.4 times the square
    root of the file's size: 24 kB for 135 million parameters in 98 MB (23 kB measured), 168 kB for 8 billion in 4.9 GB
    (131 kB by its shape). Measured use replaces this once the model is loaded.
    """
    each = 2.4 * sqrt(file_bytes) if token_bytes is None else token_bytes
    return PROCESS_BYTES + file_bytes + round(each * context_tokens)


def ordinary_bytes(file_bytes: int, context_tokens: int | None, token_bytes: int | None = None) -> int:
    """What it takes for one conversation of ordinary length, or of its own context where that is shorter."""
    tokens = min(context_tokens or ORDINARY_CONTEXT_TOKENS, ORDINARY_CONTEXT_TOKENS)
    return estimate_bytes(file_bytes, tokens, token_bytes)


def attention_bytes(layers: int, key_heads: int, head_size: int) -> int:
    """What a token of context takes in the layers of a transformer: its keys and values, two bytes each number."""
    return 2 * 2 * layers * key_heads * head_size
