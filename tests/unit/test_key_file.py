"""A file that holds a key."""

import stat
from concurrent.futures import ThreadPoolExecutor

from pluggably.adapters.key_file import write_once


def test_of_many_who_write_it_at_once_one_wins_and_all_read_the_same(tmp_path):
    path = tmp_path / "keys" / "a.key"

    def write_and_read(number: int) -> bytes:
        write_once(path, bytes([number]) * 32)
        return path.read_bytes()

    with ThreadPoolExecutor(8) as pool:
        read = set(pool.map(write_and_read, range(64)))
    assert len(read) == 1
    assert len(set(next(iter(read)))) == 1
    assert [it.name for it in path.parent.iterdir()] == ["a.key"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
