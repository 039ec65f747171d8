"""Waiting, in this process, until something has changed; who waits too long looks for himself."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn
from weakref import WeakValueDictionary

from attrs import define, field


@define(eq=False)
class Changes:
    """Tells those who wait that something has changed, by its id. What nobody waits for is not remembered."""

    _awaited: "WeakValueDictionary[str, asyncio.Event]" = field(init=False, factory=WeakValueDictionary)

    async def wait(self, its_id: str, timeout_s: float) -> None:
        """Wait until it has changed, but no longer than that."""
        await came(self._awaited.setdefault(its_id, asyncio.Event()), timeout_s)

    def tell(self, its_id: str) -> None:
        """It has changed."""
        if news := self._awaited.pop(its_id, None):
            news.set()


async def came(news: asyncio.Event, timeout_s: float) -> bool:
    """Wait for news; whether any came in time."""
    try:
        async with asyncio.timeout(timeout_s):
            await news.wait()
    except TimeoutError:
        return False
    return True


async def keep_taking(
    take: Callable[[], Awaitable[None]], news: asyncio.Event, every_s: float, failed: Callable[[Exception], None]
) -> NoReturn:
    """Take what there is to do, at once, at every piece of news, and so often without any.

    What goes wrong is told to `failed`, and tried again then: this must not end without anybody noticing.
    """
    while True:
        news.clear()
        try:
            await take()
        except Exception as error:
            failed(error)
        await came(news, every_s)
