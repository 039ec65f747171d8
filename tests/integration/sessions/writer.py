"""A process that appends until it is killed; it says on stdout, after `ready`, the words of what is stored.

Run as `python -m tests.integration.sessions.writer <its name> <folder> <URL of the database, or nothing>`.
"""

import asyncio
import subprocess
import sys
from pathlib import Path

from .conversations import converse
from .place import Place


class Writer:
    """The process, for whoever starts it."""

    def __init__(self, name: str, place: Place) -> None:
        command = (sys.executable, "-m", __name__, name, str(place.folder), place.url)
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._said: list[bytes] = []

    def hear(self, lines: int) -> None:
        """Wait until it has said so much more."""
        self._said += [self._process.stdout.readline() for _ in range(lines)]

    @property
    def lives(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def kill(self) -> list[str]:
        """Kill it.

        Returns:
            All that it acknowledged.
        """
        self._process.kill()
        ready, *said = self._said + self._process.stdout.readlines()
        assert ready == b"ready\n"
        return [line.decode().strip() for line in said if line.endswith(b"\n")]

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.stdout.close()
        self._process.wait()


def _acknowledge(words: str) -> None:
    print(words, flush=True)


async def main(name: str, place: Place) -> None:
    store = place.open()
    _acknowledge("ready")
    await asyncio.gather(*(converse(store, f"ses_{name}_{letter}", _acknowledge) for letter in "abc"))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Place(Path(sys.argv[2]), sys.argv[3])))
