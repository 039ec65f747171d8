"""A file that has its name only once it is whole."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from ...domain.errors import InvalidRequest


def write_whole(path: Path, chunks: Iterable[bytes]) -> None:
    """Write a file under another name beside it, and give it its own when all chunks are on the disk.

    Whatever ends the chunks early leaves nothing behind, and a file that was there before as it was.

    Raises:
        InvalidRequest: it cannot be written, or is no file, such as a device.
    """
    path = path.resolve()
    if path.exists() and not path.is_file():  # a device would be replaced by a file
        raise InvalidRequest(detail=f"{path} cannot be written: it is no ordinary file.")
    partial = path.parent / f".{path.name}.{token_hex(8)}.partial"
    try:
        with partial.open("xb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise InvalidRequest(detail=f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            partial.unlink()
