"""Who may work on a model now, who waits, and who is turned away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from attrs import define, field

from ...domain.errors import Overloaded
from .service_time import ServiceTime


@define(eq=False)
class Admission:
    """The seats of one model: `parallel` requests work, `queue_limit` wait in the order of asking."""

    parallel: int
    queue_limit: int
    waiting: int = field(init=False, default=0)
    seated: int = field(init=False, default=0)
    _seats: asyncio.Semaphore = field(init=False)
    _service_time: ServiceTime = field(init=False, factory=ServiceTime)

    def __attrs_post_init__(self) -> None:
        """Put up the seats."""
        self._seats = asyncio.Semaphore(self.parallel)

    @property
    def busy(self) -> bool:
        """Whether anybody works or waits here."""
        return bool(self.seated or self.waiting)

    @asynccontextmanager
    async def seat(self) -> AsyncIterator[None]:
        """Have a seat, once one is free.

        Raises:
            Overloaded: all seats are taken, and so are all places to wait; it says when to come again.
        """
        if self._seats.locked() and self.waiting >= self.queue_limit:
            raise self._overloaded()
        self.waiting += 1
        try:
            await self._seats.acquire()
        finally:
            self.waiting -= 1
        self.seated += 1
        try:
            with self._service_time.of_one():
                yield
        finally:
            self.seated -= 1
            self._seats.release()

    def _overloaded(self) -> Overloaded:
        return Overloaded(
            detail=f"The model works on {self.parallel} requests, and {self.waiting} more wait for it.",
            retry_after_s=self._service_time.until_free_s(waiting=self.waiting, parallel=self.parallel),
        )
