"""Reads a file that a process of lower trust has left: the file itself, never what a link leads to."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO

from ...domain.artifact import Content
from ...domain.errors import GatewayError

PIECE_BYTES = 2**20


@contextmanager
def own_file(path: Path) -> Iterator[IO[bytes]]:
    """The open file.

    Raises:
        GatewayError: it is a link, a folder, a device or a pipe.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        if path.is_symlink():
            raise _no_file() from exc
        raise
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _no_file()
        yield file


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """What is in the file, a megabyte at a time."""
    while piece := file.read(PIECE_BYTES):
        yield piece


def content_of(path: Path) -> Content:
    """The file's sha256 and size.

    Raises:
        GatewayError, OSError: as `own_file`.
    """
    digest, size = sha256(), 0
    with own_file(path) as file:
        for piece in pieces(file):
            digest.update(piece)
            size += len(piece)
    return Content(sha256=digest.hexdigest(), size_bytes=size)


def not_that_content() -> GatewayError:
    """The error for a file that was written to after it had been hashed."""
    return GatewayError(detail="The file is not what it was when it was hashed.")


def _no_file() -> GatewayError:
    return GatewayError(detail="What a generator left is no file of its own.")
