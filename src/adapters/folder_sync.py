"""Names on the disk: a new or a removed one is only there to stay once its folder has been synced too."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Wait until the names in the folder are on the disk. Blocks.

    Raises:
        OSError: it is not there, or cannot be synced.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
