"""Seats, places to wait, and when to come again."""

import asyncio

import pytest

from pluggably.adapters.runners.admission import Admission
from pluggably.domain.errors import Overloaded


async def occupy(admission: Admission, order: list[int], number: int, leave: asyncio.Event) -> None:
    async with admission.seat():
        order.append(number)
        await leave.wait()


async def test_those_who_wait_are_seated_in_the_order_of_asking():
    admission, order, leave = Admission(1, 10), [], asyncio.Event()
    tasks = []
    for number in range(4):
        tasks.append(asyncio.create_task(occupy(admission, order, number, leave)))
        await asyncio.sleep(0)
    assert order == [0]
    leave.set()
    await asyncio.gather(*tasks)
    assert order == [0, 1, 2, 3]
    assert not admission.busy


async def test_who_finds_no_place_to_wait_is_told_how_long_the_others_will_take():
    admission, order, leave = Admission(2, 0), [], asyncio.Event()
    tasks = [asyncio.create_task(occupy(admission, order, number, leave)) for number in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded, match="2 requests") as refused:
        async with admission.seat():
            pass
    assert refused.value.retry_after_s >= 1
    leave.set()
    await asyncio.gather(*tasks)


async def test_a_failure_gives_the_seat_back():
    admission = Admission(1, 0)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            async with admission.seat():
                raise RuntimeError
    assert not admission.busy


async def test_who_leaves_the_queue_holds_no_place_in_it():
    admission, order, leave = Admission(1, 1), [], asyncio.Event()
    tasks = [asyncio.create_task(occupy(admission, order, number, leave)) for number in range(2)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.wait({tasks[1]})
    assert admission.waiting == 0
    leave.set()
    await tasks[0]
    async with admission.seat():
        assert admission.seated == 1
