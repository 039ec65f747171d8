"""Seeds that a client can repeat: each is one that a request may name."""

import secrets

_SEEDS = 2**32 - 1


def seed_of(asked: int | None) -> int:
    """The seed that is asked for, or else one that is drawn."""
    return secrets.randbelow(_SEEDS) if asked is None else asked


def nth_seed(first: int, number: int) -> int:
    """The seed of the output with that number, counted from 0; after the largest comes 0."""
    return (first + number) % _SEEDS
