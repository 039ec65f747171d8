"""How much is asked of a provider at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field

from ..domain.errors import Overloaded

RETRY_AFTER_S = 1.0


@define(eq=False)
class Seats:
    """So many requests are at work with a provider, and as many again wait; more are turned away."""

    provider: str
    number: int
    _taken: asyncio.Semaphore = field(init=False)
    _waiting: int = field(init=False, default=0)
    _at_work: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        """Put up the seats."""
        self._taken = asyncio.Semaphore(self.number)

    @property
    def at_work(self) -> int:
        """How many are at work with it."""
        return self._at_work

    @property
    def waiting(self) -> int:
        """How many wait for a seat."""
        return self._waiting

    @property
    def has_room(self) -> bool:
        """Whether nobody would have to wait."""
        return not self._taken.locked()

    @asynccontextmanager
    async def seat(self) -> AsyncIterator[None]:
        """Have a seat, once one is free.

        Raises:
            Overloaded: too many wait for one.
        """
        if self._taken.locked() and self._waiting >= self.number:
            raise Overloaded(
                detail=f"Provider {self.provider!r} is asked {self.number} things at once, and as many wait.",
                retry_after_s=RETRY_AFTER_S,
            )
        self._waiting += 1
        try:
            await self._taken.acquire()
        finally:
            self._waiting -= 1
        self._at_work += 1
        try:
            yield
        finally:
            self._at_work -= 1
            self._taken.release()
