"""What of a partial file is true, written beside it as it grows.

A line of JSON that says of which file this is, then records of 16 bytes: a range of bytes that has been written. What
a process has written outlives its death, whatever it is killed by; a power cut it only outlives if it was flushed to
the disk. So now and then a record says that all the ones before it were, and a journal from before the machine was
started is believed up to the last such record. A record that was cut off is none.
"""

import json
import os
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

from attrs import define, field

from .extents import Extent, merged

_RECORD = struct.Struct("<QQ")
_FLUSHED = 2**64 - 1
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@define
class Journal:
    """The journal of one file. Blocks."""

    path: Path
    extents: list[Extent] = field(factory=list)
    _descriptor: int = field(init=False, default=-1)
    _records: int = field(init=False, default=0)

    @classmethod
    def open(cls, path: Path, facts: dict[str, Any], size_bytes: int) -> "Journal":
        """Go on with the journal of a file, whose data are flushed; or begin a new one if it is of another file."""
        journal = cls(path, [it for it in _read(path, facts) if it[1] <= size_bytes])
        journal.begin(facts)
        return journal

    def begin(self, facts: dict[str, Any]) -> None:
        """Write it anew, in one step."""
        self.close()
        new = self.path.with_suffix(".new")
        head = json.dumps(facts | {"boot": _boot_id()}, sort_keys=True).encode() + b"\n"
        records = [*self.extents, (_FLUSHED, len(self.extents))]
        self._descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(self._descriptor, head + b"".join(_RECORD.pack(*it) for it in records))
        os.fsync(self._descriptor)
        new.replace(self.path)
        self._records = len(self.extents)

    def add(self, extent: Extent) -> None:
        """Note that a range was written."""
        os.write(self._descriptor, _RECORD.pack(*extent))
        self._records += 1
        self.extents = merged([*self.extents, extent])

    @property
    def records(self) -> int:
        """How many ranges were noted."""
        return self._records

    def flushed(self, records: int) -> None:
        """Note that the first so many ranges are on the disk."""
        os.write(self._descriptor, _RECORD.pack(_FLUSHED, records))
        os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let go of it."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _read(path: Path, facts: dict[str, Any]) -> list[Extent]:
    with suppress(OSError, ValueError):
        head, _, body = path.read_bytes().partition(b"\n")
        found = json.loads(head)
        if isinstance(found, dict) and {**found, "boot": None} == {**facts, "boot": None}:
            whole = body[: len(body) - len(body) % _RECORD.size]
            records = [(start, stop) for start, stop in _RECORD.iter_unpack(whole)]
            return merged(_believed(records, same_boot=bool(found["boot"]) and found["boot"] == _boot_id()))
    return []


def _believed(records: list[Extent], *, same_boot: bool) -> list[Extent]:
    written = [it for it in records if it[0] != _FLUSHED]
    flushed = max((count for mark, count in records if mark == _FLUSHED), default=0)
    return [it for it in (written if same_boot else written[:flushed]) if it[0] < it[1]]


def _boot_id() -> str:
    """What changes with each start of the machine; empty where nothing says so."""
    with suppress(OSError):
        return _BOOT_ID.read_text("ascii").strip()
    return ""
