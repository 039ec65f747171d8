"""A file that is not whole yet: its bytes as they come, in any order, and the hash of what is here without a gap.

The hash follows the growing beginning of the file: bytes that come in order are hashed as they are written, those that
came early are read back, from memory as a rule, when the gap before them closes. So nothing has to be read again at
the end; only what a former process had written is.
"""

import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from ...application.download_ports import Chunk
from ...domain.download import DownloadFile
from ...domain.errors import ChecksumMismatch
from ...domain.file_names import HEAD_BYTES, refuse_unsafe, shown
from .extents import Extent, missing, prefix, total
from .journal import Journal

_READ_BYTES = 2**22
_MOST_AT_ONCE = 1_024
"""How many chunks the system writes by one call."""


class Partial:
    """Blocks; its methods may be called from several threads at once."""

    def __init__(self, path: Path, file: DownloadFile) -> None:
        """Open what is there of the file, or make it."""
        self.path, self.file = path, file
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.fdatasync(self._descriptor)
            self._journal = Journal.open(path.with_suffix(".journal"), _facts(file), file.size_bytes)
        except BaseException:
            os.close(self._descriptor)
            raise
        self.resumed = bool(self._journal.extents)
        self._writing, self._hashing = threading.Lock(), threading.Lock()
        self._begin_hashes()

    @property
    def bytes_done(self) -> int:
        """How many bytes are here."""
        return total(self._journal.extents)

    def missing(self) -> list[Extent]:
        """What is not here."""
        return missing(self._journal.extents, self.file.size_bytes)

    def write(self, offset: int, chunks: Sequence[Chunk]) -> None:
        """Write bytes, one chunk after the other, and note that they are here.

        Raises:
            UnsafeFile: the file begins like one that is not brought here.
        """
        at, left = offset, list(chunks)
        while left:
            written = os.pwritev(self._descriptor, left[:_MOST_AT_ONCE], at)
            at += written
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if written:
                left[0] = left[0][written:]
        with self._writing:
            self._journal.add((offset, at))
        if self._hashing.acquire(blocking=False):
            try:
                if self._hashed == offset:
                    self._hash(chunks)
                self._catch_up()
            finally:
                self._hashing.release()
        self._look_at_head()

    def flush(self) -> None:
        """See to it that what is here outlives a power cut."""
        records = self._journal.records
        os.fdatasync(self._descriptor)
        with self._writing:
            self._journal.flushed(records)

    def start_over(self, file: DownloadFile) -> None:
        """Forget what is here: the source has another file now."""
        with self._writing, self._hashing:
            self.file, self.resumed = file, False
            self._journal.extents = []
            self._journal.begin(_facts(file))
            os.ftruncate(self._descriptor, 0)
            self._begin_hashes()

    def finish(self) -> str:
        """Compare the whole file with what was promised, and have it on the disk.

        Returns:
            Its sha256, in hex.

        Raises:
            ChecksumMismatch, UnsafeFile: it is not what was promised, or not of a kind that is brought here.
        """
        with self._hashing:
            self._catch_up()
        self._look_at_head(last=True)
        os.ftruncate(self._descriptor, self.file.size_bytes)
        kind, _, expected = (self.file.digest or "").partition(":")
        found = (self._git if kind == "git" else self._sha256).hexdigest()
        if expected and found != expected:
            raise ChecksumMismatch(
                detail=f"{shown(self.file.name)} came with another checksum than promised: {expected} was expected, "
                f"{found} came. It was not kept."
            )
        os.fsync(self._descriptor)
        return self._sha256.hexdigest()

    def close(self) -> None:
        """Let go of it."""
        self._journal.close()
        os.close(self._descriptor)

    def remove(self) -> None:
        """Remove it; it is closed."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(".journal").unlink(missing_ok=True)

    def _begin_hashes(self) -> None:
        self._hashed, self._seen = 0, False
        self._sha256 = hashlib.sha256()
        self._git = hashlib.sha1(b"blob %d\0" % self.file.size_bytes, usedforsecurity=False)

    def _hash(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self._sha256.update(chunk)
            if self._by_git:
                self._git.update(chunk)
            self._hashed += len(chunk)

    @property
    def _by_git(self) -> bool:
        return (self.file.digest or "").startswith("git:")

    def _catch_up(self) -> None:
        """Hash what is here behind what was hashed; whoever does so holds the lock."""
        while (end := prefix(self._journal.extents)) > self._hashed:
            self._hash([os.pread(self._descriptor, min(_READ_BYTES, end - self._hashed), self._hashed)])

    def _look_at_head(self, *, last: bool = False) -> None:
        if not self._seen and (last or prefix(self._journal.extents) >= HEAD_BYTES):
            self._seen = True
            refuse_unsafe(self.file.name, os.pread(self._descriptor, min(HEAD_BYTES, self.file.size_bytes), 0))


def _facts(file: DownloadFile) -> dict[str, object]:
    """What makes it this file: with others, what is here is of no use."""
    return {"size_bytes": file.size_bytes, "digest": file.digest, "tag": file.tag, "name": file.name}
