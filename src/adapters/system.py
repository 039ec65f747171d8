"""The machine's clock, and ids made from it."""

import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from threading import Lock
from time import time_ns

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: sorts like the numbers, no i l o u
_PAIRS = tuple(high + low for high in _ALPHABET for low in _ALPHABET)
_LETTERS = "".join(_ALPHABET[byte % 32] for byte in range(256)).encode()
_CHANCE = 15  # letters, 75 bits
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
        self._chance: Iterator[str] = iter(())
        self._lock = Lock()

    def __call__(self, prefix: str) -> str:
        """A new id."""
        with self._lock:
            self._last = at = max(self._last + 1, time_ns() // 1000)
            if (chance := next(self._chance, None)) is None:
                self._chance = _random_letters()
                chance = next(self._chance)
        high = f"{_PAIRS[at >> 45 & 1023]}{_PAIRS[at >> 35 & 1023]}{_PAIRS[at >> 25 & 1023]}"
        return f"{prefix}_{high}{_PAIRS[at >> 15 & 1023]}{_PAIRS[at >> 5 & 1023]}{_ALPHABET[at & 31]}{chance}"


def _random_letters() -> Iterator[str]:
    letters = os.urandom(_AT_ONCE * _CHANCE).translate(_LETTERS).decode()
    return (letters[at : at + _CHANCE] for at in range(0, len(letters), _CHANCE))


def new_state_token() -> str:
    """A state token: 256 bits that nobody can guess."""
    return f"st_{secrets.token_urlsafe(32)}"
