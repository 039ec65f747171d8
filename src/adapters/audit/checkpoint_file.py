"""The second place: a file of notes, one after the other with an empty line behind each, that only grows.

Put it where whoever may write the database may not: another disk, another host, a folder that takes nothing back. One
process at a time adds to it (`flock`). What a power cut left of a note is passed over, and cut off before the next one
is added.
"""

import fcntl
import os
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...domain.errors import GatewayError
from ..folder_sync import sync_folder

NAME = "checkpoints.txt"
_SIGNATURE = "— ".encode()  # so begins the last line of a note; an empty one follows
_ENDS = re.compile(rb"^%b[^\n]*\n\n" % _SIGNATURE, re.MULTILINE)
_TAIL_BYTES = 65_536  # more than two notes have
_TORN_BYTES = 1_024  # at the most: one note


class CheckpointFile:
    """Implements `SecondPlace`."""

    def __init__(self, folder: Path) -> None:
        """The folder and the file in it are made when the first note is added."""
        self._path = folder / NAME

    def last(self) -> str | None:
        """The newest note."""
        with _translated():
            if not self._path.exists():
                return None
            with self._path.open("rb") as file:
                return _last(file.fileno())[0]

    def notes(self) -> Generator[str, None, None]:
        """All of them, the oldest first."""
        with _translated():
            if self._path.exists():
                with self._path.open("rb") as lines:
                    yield from notes_in(lines, torn_bytes=_TORN_BYTES)

    def append(self, notes: Sequence[str]) -> None:
        """Add those that are larger than the last, and sync."""
        with _translated():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked() as file:
                last, whole_bytes = _last(file)
                if whole_bytes < os.fstat(file).st_size:
                    os.ftruncate(file, whole_bytes)
                added = "".join(f"{it}\n" for it in notes if last is None or _size(it) > _size(last))
                _write(file, added.encode())

    @contextmanager
    def _locked(self) -> Iterator[int]:
        is_new = not self._path.exists()
        file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            os.fsync(file)
        finally:
            os.close(file)
        if is_new:
            sync_folder(self._path.parent)


def notes_in(lines: Iterable[bytes], *, torn_bytes: int = 0) -> Iterator[str]:
    """The notes of such a file, given line by line; an end that is none is passed over if it is no longer than that."""
    note = list[bytes]()
    for line in lines:
        if line == b"\n" and note and note[-1].startswith(_SIGNATURE):
            yield b"".join(note).decode(errors="replace")
            note = []
        else:
            note.append(line)
    if len(left := b"".join(note)) > torn_bytes:
        yield left.decode(errors="replace")


def _last(file: int) -> tuple[str | None, int]:
    """The last note, or what stands in its place, and how many bytes there are up to its end."""
    size = os.fstat(file).st_size
    begin = max(size - _TAIL_BYTES, 0)
    tail = os.pread(file, size - begin, begin)
    first, whole = [0, 0, *(it.end() for it in _ENDS.finditer(tail))][-2:]
    if len(tail) - whole > _TORN_BYTES:
        return tail[whole:].decode(errors="replace"), size
    return tail[first : whole - 1].decode(errors="replace") if whole else None, begin + whole


def _size(note: str) -> int:
    return int(note.split("\n", 2)[1])


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, IndexError) as exc:
        raise GatewayError(
            detail="The second place of the checkpoints cannot be read or written: see to audit.checkpoints_folder."
        ) from exc
