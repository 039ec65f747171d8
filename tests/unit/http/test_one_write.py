"""What is written in one turn of the event loop goes out together: in order, whole, and at once if it is much."""

import asyncio

import pytest

from pluggably.entrypoints.http.one_write import AT_ONCE_BYTES, OneWrite


class Recording(asyncio.Transport):
    """Keeps each write apart, as calls of the system are."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(bytes(data))

    def writelines(self, pieces) -> None:
        self.write(b"".join(pieces))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


@pytest.fixture
async def below():
    return Recording()


@pytest.fixture
async def transport(below):
    return OneWrite(below)


async def test_head_and_body_are_one_write(transport, below):
    transport.write(b"head ")
    transport.write(b"body")
    assert below.writes == []
    await asyncio.sleep(0)
    assert below.writes == [b"head body"]
    transport.write(b" more")
    await asyncio.sleep(0)
    assert below.writes == [b"head body", b" more"]


async def test_much_is_written_at_once_so_that_a_slow_client_is_noticed(transport, below):
    transport.write(b"head ")
    transport.write(bytes(AT_ONCE_BYTES))
    assert below.writes == [b"head " + bytes(AT_ONCE_BYTES)]
    await asyncio.sleep(0)
    assert len(below.writes) == 1


async def test_what_was_written_goes_out_before_the_end(transport, below):
    transport.write(b"last words")
    transport.close()
    assert (below.writes, below.closed) == ([b"last words"], True)


async def test_nothing_is_written_after_the_connection_was_lost(transport, below):
    transport.write(b"never read")
    transport.abort()
    await asyncio.sleep(0)
    assert below.writes == []
