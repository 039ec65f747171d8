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
    """A file as it was when seen: if it is equal to what was seen before, it need not be read again.

    Whoever copies a file may keep when it was modified; when it was changed, which says when it came here, nobody can.
    """

    name: str
    place: str
    size_bytes: int
    modified_ns: int
    changed_ns: int
    inode: int

    @property
    def path(self) -> Path:
        """Where it is; made when it is asked for, because most looks only find that nothing has changed."""
        return Path(self.place)


def walk(root: Path) -> Iterator[tuple[Path, dict[str, ModelFile]]]:
    """The folders in `root`, itself included, in the order of their names, each with its files by name."""
    root = root.resolve()
    waiting = [str(root)]
    while waiting:  # a tree may be deeper than calls may be
        folder = waiting.pop()
        try:
            with os.scandir(folder) as found:
                entries = sorted((it for it in found if not it.name.startswith(".")), key=lambda it: it.name)
        except OSError as error:
            _log_unreadable(error)
            continue
        waiting += [it.path for it in reversed(entries) if _is_folder(it)]
        yield Path(folder), {it.name: file for it in entries if (file := _regular_file(it, root))}


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _regular_file(entry: "os.DirEntry[str]", root: Path) -> ModelFile | None:
    try:
        if entry.is_symlink() and not Path(entry.path).resolve().is_relative_to(root):
            return None
        found = entry.stat()
    except (OSError, RuntimeError):  # gone since it was listed, or a link to nowhere or to itself
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return ModelFile(
        name=entry.name,
        place=entry.path,
        size_bytes=found.st_size,
        modified_ns=found.st_mtime_ns,
        changed_ns=found.st_ctime_ns,
        inode=found.st_ino,
    )


def _log_unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        _log.warning("models.folder_unreadable", path=error.filename, reason=error.strerror)
