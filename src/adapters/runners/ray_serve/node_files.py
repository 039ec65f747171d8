"""A model's files on a node of the cluster: found where the gateway has them, or fetched, by their digests alone.

A node believes no path: only what hashes to what the gateway said is loaded. The hash of a file that has not changed
since (its size, times and inode) is remembered beside the fetched files: hashing takes a second for each gigabyte.
"""

import fcntl
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from hashlib import file_digest, sha256
from pathlib import Path
from shutil import rmtree

from attrs import frozen

from ....application.artifact_ports import ArtifactFiles
from ....domain.artifact import Content
from ....domain.errors import ChecksumMismatch, GatewayError, NotFound
from ...disk_errors import disk_errors
from ...workspace import in_thread, workspace

_ONE_OF_SEVERAL = re.compile(r"(.*)-\d{5}-of-(\d{5})\.gguf")


@frozen(kw_only=True)
class ModelFile:
    """A file of a model, by its name below the model's folder."""

    name: str
    content: Content


@frozen(kw_only=True)
class FileSource:
    """How nodes come by files: fetched from `store`, if they have one, into `folder`, which is on each node.

    `store` is called on the node; it crosses to there as the name of a function of this package.
    """

    folder: str
    store: Callable[[], ArtifactFiles] | None = None

    @property
    def path(self) -> Path:
        """The folder, on the machine where this is asked."""
        return Path(self.folder).expanduser()


def files_of(path: Path, remembered_in: Path) -> tuple[ModelFile, ...]:
    """The files of the model at `path`, a file or a folder; a GGUF in several parts is all of them.

    Raises:
        GatewayError: they cannot be read, or change meanwhile.
    """
    with disk_errors():
        if path.is_dir():
            found = sorted(it for it in path.rglob("*") if it.is_file() and not _hidden(it.relative_to(path)))
        else:
            parts = _ONE_OF_SEVERAL.fullmatch(path.name)
            found = sorted(path.parent.glob(f"{parts[1]}-*-of-{parts[2]}.gguf")) if parts else [path]
        return tuple(
            ModelFile(name=it.relative_to(_root(path)).as_posix(), content=content_of(it, remembered_in))
            for it in found
        )


async def upload(path: Path, files: Sequence[ModelFile], store: ArtifactFiles) -> None:
    """Store those of the files of the model at `path` that the store does not have.

    Raises:
        GatewayError: as `ArtifactFiles.put`.
    """
    root = await in_thread(_root, path)
    for file in files:
        if not await store.has(file.content):
            await store.put(await in_thread((root / file.name).resolve), file.content)


async def on_this_node(path: str, files: Sequence[ModelFile], source: FileSource) -> str:
    """The model's path here, with exactly these files.

    Args:
        path: where the gateway has it, a file or a folder.
        files: what must be there.
        source: where else they may be, and where they may be fetched from.

    Raises:
        NotFound: they are not here, and nowhere else.
        ChecksumMismatch: the store has something else.
        InsufficientStorage, StoreUnavailable: as they say.
    """
    given, fetched = Path(path), source.path / _digest(files)
    is_file = any(file.name == given.name for file in files)
    if await in_thread(_has, given.parent if is_file else given, files, source.path):
        return path
    async with _alone(fetched):
        if not await in_thread(_has, fetched, files, source.path):
            await in_thread(_remove, fetched)
            await _fetch(files, source, fetched)
    return str(fetched / given.name if is_file else fetched)


def content_of(path: Path, remembered_in: Path) -> Content:
    """The file's content, read again only if it has changed since it was.

    Raises:
        OSError: it cannot be read.
        GatewayError: it changes while it is read.
    """
    stamp = _stamp(path)
    note = remembered_in / "hashes" / sha256(str(path).encode()).hexdigest()
    with suppress(OSError, ValueError, TypeError, KeyError):
        noted = json.loads(note.read_bytes())
        if noted["stamp"] == stamp:
            return Content(sha256=noted["sha256"], size_bytes=noted["stamp"][0])
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    if _stamp(path) != stamp:
        raise GatewayError(detail=f"The model file {path.name} changes while it is read.")
    with suppress(OSError):  # it is only there to save time
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(json.dumps({"stamp": stamp, "sha256": digest}))
    return Content(sha256=digest, size_bytes=stamp[0])


async def _fetch(files: Sequence[ModelFile], source: FileSource, into: Path) -> None:
    if source.store is None:
        raise NotFound(
            detail="A node of the cluster does not have the model's files where the gateway has them: see to "
            "ray.files_bucket."
        )
    store = source.store()
    try:
        async with workspace(source.path) as place:
            for file in files:
                target = place / file.name
                await in_thread(lambda it: it.mkdir(parents=True, exist_ok=True), target.parent)
                await store.copy(file.content, target)
                if await in_thread(_hash, target) != file.content.sha256:
                    raise ChecksumMismatch(detail=f"The store has something else for {file.name}.")
            await in_thread(place.rename, into)
    finally:
        await store.close()


@asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[None]:
    """Let no other replica of this node be in here for the same files."""
    with disk_errors():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder.with_suffix(".lock").open("wb") as lock:
            await in_thread(fcntl.flock, lock, fcntl.LOCK_EX)
            yield


def _root(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def _has(root: Path, files: Sequence[ModelFile], remembered_in: Path) -> bool:
    try:
        return all(content_of(root / file.name, remembered_in) == file.content for file in files)
    except (OSError, GatewayError):
        return False


def _remove(folder: Path) -> None:
    with suppress(FileNotFoundError):
        rmtree(folder)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _digest(files: Sequence[ModelFile]) -> str:
    return sha256(json.dumps([[it.name, it.content.sha256] for it in files]).encode()).hexdigest()


def _stamp(path: Path) -> list[int]:
    """What is another one once a file is written to."""
    it = path.stat()
    return [it.st_size, it.st_mtime_ns, it.st_ctime_ns, it.st_ino]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
