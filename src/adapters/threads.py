"""Threads of an adapter's own, so that a disk or a server that is slow holds up nobody else."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TypeVar

from ..domain.errors import Draining

T = TypeVar("T")


class Threads:
    """Runs blocking work. `translated` turns what the work raises into errors of the domain."""

    def __init__(self, number: int, name: str, translated: Callable[[], AbstractContextManager[None]]) -> None:
        self._pool = ThreadPoolExecutor(number, thread_name_prefix=name)
        self._translated = translated

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work; when cancelled, wait for its end, so that nothing it uses is taken from under it."""

        def run() -> T:
            with self._translated():
                return work()

        try:
            running = asyncio.wrap_future(self._pool.submit(run))
        except RuntimeError as exc:
            raise Draining(detail="What this works on is closed.") from exc
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            running.exception()  # the cancellation is what counts; a future's error must be looked at all the same
            raise

    async def close(self) -> None:
        """Finish what was begun."""
        await asyncio.to_thread(self._pool.shutdown)
