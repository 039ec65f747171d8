"""Tells files that were filled to their end from those that only were given their size.

Programs that fetch in several pieces give a file its size first. Its header may be there then, and the weights not; but
what was never written is a hole of the file, and the system knows of it.
"""

import errno
import os
from typing import BinaryIO

_WORTH_A_LOOK = 2**20
_BLOCK = 512
_SEEK_DATA: int | None = getattr(os, "SEEK_DATA", None)


def lacks_data(file: BinaryIO) -> bool:
    """Whether the end of the file, or more than half of it, was never written; the file is at its beginning then.

    A file system that knows nothing of holes has none: then the answer is no.
    """
    found = os.fstat(file.fileno())
    if found.st_size < _WORTH_A_LOOK:
        return False
    if 0 < found.st_blocks * _BLOCK < found.st_size // 2:
        return True
    return _ends_in_a_hole(file, found.st_size)


def _ends_in_a_hole(file: BinaryIO, size: int) -> bool:
    if _SEEK_DATA is None:
        return False
    try:
        os.lseek(file.fileno(), size - 1, _SEEK_DATA)
    except OSError as error:
        return error.errno == errno.ENXIO  # no data from there on
    finally:
        file.seek(0)
    return False
