"""Several things at once, of which none goes on after another has failed."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def all_done(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it. The first error, or a cancellation, ends the rest, and is raised when that has ended."""
    tasks = {asyncio.create_task(work) for work in works}
    if not tasks:
        return
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # one of them is raised; the others must be looked at all the same
