"""The machine's clock, and ids made from it."""

import os
import secrets
from datetime import UTC, datetime
from threading import Lock
from time import time_ns

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: sorts like the numbers, no i l o u
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_SHIFTS = tuple(range(120, -1, -10))  # 13 pairs of letters, 10 bits each
_RANDOM_BITS, _RANDOM_BYTES = 75, 10
_RANDOM_MASK = (1 << _RANDOM_BITS) - 1
_AT_ONCE = 100
"""For how many ids the system is asked for random bits at once: to ask takes longer than all the rest."""


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class IdSequence:
    """Makes ids that sort in the order they were made, within one process exactly and between machines by the clock.

    An id is `<prefix>_` and 26 letters: microseconds since 1970 (11 letters, enough up to the year 3111), then 75
    random bits that nobody can guess.
    """

    def __init__(self) -> None:
        self._last = 0
        self._random = memoryview(b"")
        self._lock = Lock()

    def __call__(self, prefix: str) -> str:
        """A new id."""
        with self._lock:
            self._last = moment = max(self._last + 1, time_ns() // 1000)
            if not self._random:
                self._random = memoryview(os.urandom(_AT_ONCE * _RANDOM_BYTES))
            chance, self._random = self._random[:_RANDOM_BYTES], self._random[_RANDOM_BYTES:]
        number = (moment << _RANDOM_BITS) | (int.from_bytes(chance) & _RANDOM_MASK)
        return f"{prefix}_" + "".join([_PAIRS[(number >> shift) & 1023] for shift in _SHIFTS])


def new_state_token() -> str:
    """A state token: 256 bits that nobody can guess."""
    return f"st_{secrets.token_urlsafe(32)}"
