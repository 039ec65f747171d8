"""A file that holds a key: written once, whole and durably, and readable by its owner only."""

import os
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from .folder_sync import sync_folder


def write_once(path: Path, content: bytes) -> None:
    """Write the file, and the folder that it is in, unless another process was first. Blocks.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{token_hex(8)}")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    try:
        with suppress(FileExistsError):
            path.hardlink_to(partial)
    finally:
        partial.unlink()
    sync_folder(path.parent)
