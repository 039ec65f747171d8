"""Work that is done again and again."""

import asyncio

import pytest
from structlog.testing import capture_logs

from pluggably.domain.errors import StoreUnavailable
from pluggably.entrypoints.upkeep.periodic import repeated


class Work:
    """Raises `errors`, one each time, and is `enough` once it was done after them."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.enough = list(errors), asyncio.Event()

    async def __call__(self) -> None:
        if self.errors:
            raise self.errors.pop()
        self.enough.set()


@pytest.mark.parametrize(("error", "level"), [(StoreUnavailable(), "warning"), (RuntimeError("a bug"), "error")])
async def test_what_fails_is_told_of_and_done_again(error, level):
    work = Work(error)
    with capture_logs() as told:
        async with repeated(work, 0, failed="work.failed"):
            await asyncio.wait_for(work.enough.wait(), 10)
    assert [(it["event"], it["log_level"]) for it in told] == [("work.failed", level)]


async def test_it_ends_with_its_owner():
    work, before = Work(), asyncio.all_tasks()
    async with repeated(work, 0, failed="work.failed"):
        await asyncio.wait_for(work.enough.wait(), 10)
    assert asyncio.all_tasks() == before


async def test_work_that_waits_is_cancelled_with_its_owner():
    begun, ended = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with repeated(work, 0, failed="work.failed"):
        await asyncio.wait_for(begun.wait(), 10)
    assert ended.is_set()
