"""What makes a change of a folder outlive a power cut."""

import os
from pathlib import Path


def flush_folder(folder: Path) -> None:
    """See to it that the names in a folder are on the disk. Blocks.

    Raises:
        OSError: they are not.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
