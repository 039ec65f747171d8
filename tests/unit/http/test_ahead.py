"""Reading ahead of a client."""

import asyncio

import pytest

from pluggably.domain.errors import ProviderError, StreamInterrupted
from pluggably.entrypoints.http.sse import READ_AHEAD, Ahead

FOREVER_S = 3600


class Source:
    """Counts as fast as it is read, or after each `gate`."""

    def __init__(self, items: int = 10_000, error: Exception | None = None, gate: asyncio.Event | None = None) -> None:
        self.items, self.error, self.gate, self.given, self.closed = items, error, gate, 0, False

    async def __call__(self):
        try:
            while self.given < self.items:
                if self.gate:
                    await self.gate.wait()
                self.given += 1
                yield self.given
            if self.error:
                raise self.error
        finally:
            self.closed = True


async def turn_the_loop(times: int = 50) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def test_what_is_ready_at_once_is_taken_at_once():
    async with Ahead(Source(5)(), FOREVER_S) as ahead:
        assert await ahead.take() == [1, 2, 3, 4, 5]


async def test_a_reader_that_does_not_read_stops_the_source():
    source = Source()
    async with Ahead(source(), FOREVER_S):
        await turn_the_loop()
        assert source.given == READ_AHEAD


async def test_a_slow_reader_misses_nothing():
    taken: list[int] = []
    async with Ahead(Source(1000)(), FOREVER_S) as ahead:
        while len(taken) < 1000:
            taken += await ahead.take()
            await turn_the_loop(3)
    assert taken == list(range(1, 1001))


async def test_an_error_comes_after_everything_before_it():
    async with Ahead(Source(3, ProviderError())(), FOREVER_S) as ahead:
        assert await ahead.take() == [1, 2, 3]
        with pytest.raises(ProviderError):
            await ahead.take()


async def test_a_source_that_just_ends_was_interrupted():
    async with Ahead(Source(0)(), FOREVER_S) as ahead:
        with pytest.raises(StreamInterrupted):
            await ahead.take()


async def test_waiting_is_broken_off_without_disturbing_the_source():
    gate = asyncio.Event()
    async with asyncio.timeout(10), Ahead(Source(1, gate=gate)(), 0.001) as ahead:
        assert await ahead.take() == []
        assert await ahead.take() == []
        gate.set()
        assert await ahead.take() == [1]


@pytest.mark.parametrize("gated", [True, False])
async def test_leaving_closes_the_source_wherever_it_is(gated):
    source = Source(gate=asyncio.Event() if gated else None)
    async with Ahead(source(), FOREVER_S):
        await turn_the_loop()
    assert source.closed
