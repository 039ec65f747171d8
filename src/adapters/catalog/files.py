"""The files of the models in folders of this machine: how much they take, and how they are deleted.

Of a model goes what the scan found to belong to it. In the hub's cache that are links, and with the last link to it a
blob goes too. Folders that are empty then go as well, up to the model folder, which stays.
"""

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from attrs import define, field

from ...application.model_ports import FolderUsage
from ...domain.errors import GatewayError, InvalidRequest
from ...domain.model import LOCAL, Model
from ..disk_errors import disk_errors
from ..threads import Threads
from .folder import ModelFolder
from .found import Found
from .hub import HubPlace

_BLOCK = 512


@define
class LocalModelFiles:
    """Implements `ModelFiles` for what `folder` finds. A folder that is not there yet is empty."""

    folder: ModelFolder
    _threads: Threads = field(init=False, factory=lambda: Threads(1, "model-files", disk_errors))

    def locate(self, path: str) -> str:
        """The path as the catalog has it."""
        for root in self.folder.roots:
            real = root.resolve()
            inside = Path(os.path.normpath(real / path))
            if (apart := _below(inside, root)) is not None:
                inside = real / apart
            if inside.is_relative_to(real) and os.path.lexists(inside):
                return str(inside)
        raise InvalidRequest.at("/path", "there is nothing at that path in a model folder")

    def holds(self, model: Model) -> bool:
        """Whether its files are in these folders."""
        return model.provider == LOCAL and bool(model.path) and self.folder.found_at(model.path or "") is not None

    async def usage(self) -> FolderUsage:
        """How much is stored."""
        return await self._threads.run(self._usage)

    async def remove(self, model: Model) -> int:
        """Delete the files of a model."""
        found = self.folder.found_at(model.path or "")
        if found is None:
            raise GatewayError(detail=f"The files of model {model.id!r} are not in a model folder.")
        return await self._threads.run(lambda: _remove(found, self._root_of(found)))

    async def close(self) -> None:
        """Finish what was begun."""
        await self._threads.close()

    def _root_of(self, found: Found) -> Path:
        return next(root for it in self.folder.roots if found.path.is_relative_to(root := it.resolve()))

    def _usage(self) -> FolderUsage:
        roots = [root.resolve() for root in self.folder.roots]
        total = _bytes_of(file for root in roots for file in _all_files(root) if not file.is_symlink())
        models = _bytes_of(entry.path for found in self.folder.found for entry in found.files)
        disk = shutil.disk_usage(_existing(roots[0])) if roots else None
        return FolderUsage(
            models_bytes=models,
            partial_bytes=max(0, total - models),
            free_bytes=disk.free if disk else 0,
            total_bytes=disk.total if disk else 0,
        )


def _below(path: Path, root: Path) -> Path | None:
    absolute = Path(os.path.abspath(root))  # noqa: PTH100 - the root as it was named, its links not followed
    return path.relative_to(absolute) if path.is_relative_to(absolute) else None


def _existing(folder: Path) -> Path:
    return next(it for it in (folder, *folder.parents) if it.exists())


def _all_files(root: Path) -> Iterator[Path]:
    """Every file, hidden ones too; links are not followed."""
    for folder, _, names in os.walk(root):
        yield from (Path(folder, name) for name in names)


def _bytes_of(paths: Iterator[Path]) -> int:
    """What these files take, each once however many names it has; of one that has holes, what was written."""
    sizes: dict[tuple[int, int], int] = {}
    for path in paths:
        with suppress(OSError):  # gone since it was seen
            found = path.stat()
            written = found.st_blocks * _BLOCK or found.st_size
            sizes[found.st_dev, found.st_ino] = min(found.st_size, written)
    return sum(sizes.values())


def _remove(found: Found, root: Path) -> int:
    hub = HubPlace.of(found.path.parent if found.path.is_file() else found.path)
    links = _links(hub) if hub else {}
    freed = 0
    for entry in found.files:
        blob = entry.path.resolve() if entry.path.is_symlink() else None
        freed += _unlink(entry.path, root)
        names = links.get(blob, []) if blob else []
        if entry.path in names:
            names.remove(entry.path)
            if blob and not names:
                freed += _unlink(blob, root)
    for folder in sorted({entry.path.parent for entry in found.files}, reverse=True):
        _remove_empty(folder, root)
    if hub and not (hub.folder / "snapshots" / hub.commit).exists():
        _forget_refs(hub, root)
    return freed


def _links(hub: HubPlace) -> dict[Path, list[Path]]:
    """Which names each blob of the repository has in its snapshots."""
    links: dict[Path, list[Path]] = {}
    for path in _all_files(hub.folder / "snapshots"):
        if path.is_symlink() and (blob := path.resolve()).is_relative_to(hub.folder / "blobs"):
            links.setdefault(blob, []).append(path)
    return links


def _forget_refs(hub: HubPlace, root: Path) -> None:
    for ref in _all_files(hub.folder / "refs"):
        if ref.is_file() and ref.read_text(errors="replace").strip() == hub.commit:
            _unlink(ref, root)
            _remove_empty(ref.parent, root)
    _remove_empty(hub.folder / "blobs", root)


def _unlink(path: Path, root: Path) -> int:
    if not path.parent.resolve().is_relative_to(root):
        raise GatewayError(detail="A model's files are not where they were found: look again.")
    try:
        found = path.lstat()
        path.unlink()
    except FileNotFoundError:
        return 0
    return found.st_size if found.st_nlink == 1 and stat.S_ISREG(found.st_mode) else 0


def _remove_empty(folder: Path, root: Path) -> None:
    for it in (folder, *folder.parents):
        if it == root or not it.is_relative_to(root):
            return
        try:
            it.rmdir()
        except OSError:  # not empty, or gone
            return
