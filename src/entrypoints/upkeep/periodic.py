"""Work that is done again and again while the service runs, in a task that has an owner."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from ...domain.errors import GatewayError

_log = structlog.get_logger()


@asynccontextmanager
async def repeated(
    work: Callable[[], Awaitable[None]], every_s: float, *, failed: str, at_once: bool = False
) -> AsyncIterator[None]:
    """Do `work` every so many seconds until the context is left, the first time after the first of them or `at_once`.

    What it raises is logged as `failed`, and the work is done again when it is time.
    """
    task = asyncio.create_task(_keep_doing(work, every_s, failed, at_once=at_once))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _keep_doing(work: Callable[[], Awaitable[None]], every_s: float, failed: str, *, at_once: bool) -> None:
    waited_s = 0 if at_once else every_s
    while True:
        await asyncio.sleep(waited_s)
        waited_s = every_s
        try:
            await work()
        except GatewayError as error:
            _log.warning(failed, code=error.code, error=str(error))
        except Exception as error:  # it must not end without anybody noticing
            _log.error(failed, exc_info=error)
