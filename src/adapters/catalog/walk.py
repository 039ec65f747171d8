"""Walks a model folder and shows what is safe to read in it.

Only regular files, and of symbolic links only those that end inside the folder (a hub's cache has such): a link out of
it would let whoever may put files here read any other file. Links to folders are not followed. Hidden names are left
out; downloads in progress have such.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import structlog
from attrs import frozen

_log = structlog.get_logger(__name__)


@frozen(kw_only=True)
class ModelFile:
    """A file as it was when seen: if it is equal to what was seen before, it need not be read again."""

    path: Path
    size_bytes: int
    modified_ns: int
    inode: int


def walk(root: Path) -> Iterator[tuple[Path, dict[str, ModelFile]]]:
    """The folders in `root`, itself included, in the order of their names, each with its files by name."""
    root = root.resolve()
    for folder, folders, names in os.walk(root, onerror=_log_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(folder)
        files = {name: file for name in sorted(names) if (file := _regular_file(here / name, root))}
        yield here, files


def _regular_file(path: Path, root: Path) -> ModelFile | None:
    if path.name.startswith("."):
        return None
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            return None
        found = path.stat()
    except (OSError, RuntimeError):  # gone since it was listed, or a link to nowhere or to itself
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return ModelFile(path=path, size_bytes=found.st_size, modified_ns=found.st_mtime_ns, inode=found.st_ino)


def _log_unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        _log.warning("models.folder_unreadable", path=error.filename, reason=error.strerror)
