"""Puts models into a folder of this machine: `.downloads/<key>/` while they come, then a folder of their own.

Discovery does not look into hidden folders. Under the key are a lock, the partial files with their journals, and
`whole/`, which has the files that are whole and checked, under their names. That folder becomes the model's by one
rename. Being named by what is in it, a partial download is found again by whoever fetches the same.
"""

import asyncio
import fcntl
import shutil
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

from attrs import evolve

from ...application.download_ports import DownloadSource
from ...domain.discovery import SourceNote
from ...domain.download import DownloadFile, DownloadJob, FileStatus
from ...domain.errors import Overloaded
from ...domain.file_names import WEIGHTS
from ..disk_errors import disk_errors
from ..flushing import flush_folder
from ..threads import Threads
from .pace import Patience, RateLimit
from .together import all_done
from .transfer import Lanes, Transfer

HIDDEN = ".downloads"
KEPT_S = 7 * 86_400
"""How long partial files are kept that belong to no download that is known here."""

_LOCK = "lock"
_WHOLE = "whole"
_THREADS = 6


class LocalDownloadPlace:
    """Implements `DownloadPlace`, in `folder`."""

    def __init__(
        self,
        folder: Path,
        *,
        streams: int = 4,
        limit_bytes_per_s: int | None = None,
        patience: Patience | None = None,
    ) -> None:
        """A download has at most `streams` connections; all of them together have the rate."""
        self._folder = folder.resolve()
        self._streams = streams
        self._limit = RateLimit(limit_bytes_per_s)
        self._patience = patience or Patience()
        self._threads = Threads(_THREADS, "downloads", disk_errors)

    @asynccontextmanager
    async def held(self, job: DownloadJob) -> AsyncIterator[None]:
        """Hold the lock of the partial files."""
        with ExitStack() as held:  # not returned by the thread: what is returned to somebody cancelled is lost
            if not await self._threads.run(lambda: _lock(self._work(job.key), held)):
                raise Overloaded(detail="Another process works on the files of this download.")
            yield

    async def find(self, job: DownloadJob) -> Path | None:
        """The folder that has all the files, with their sizes, and of weights what was promised or the same source."""
        return await self._threads.run(lambda: next((it for it in self._names(job) if _has_all(it, job)), None))

    async def bring(self, job: DownloadJob, source: DownloadSource, tell: Callable[[DownloadFile], None]) -> None:
        """Fetch every file that is not whole."""
        lanes = Lanes(
            threads=self._threads,
            streams=self._streams,
            connections=asyncio.Semaphore(self._streams),
            limit=self._limit,
            patience=self._patience,
        )
        places = asyncio.Semaphore(self._streams)

        async def one(number: int) -> None:
            async with places:
                await self._bring_one(job, number, source, lanes, tell)

        await all_done(one(number) for number in range(len(job.files)))

    async def put(self, job: DownloadJob) -> Path:
        """Rename the whole folder."""
        return await self._threads.run(lambda: self._put(job))

    async def discard(self, key: str) -> None:
        """Remove what is under the key."""
        await self._threads.run(lambda: shutil.rmtree(self._work(key), ignore_errors=True))

    async def sweep(self, wanted: Collection[str]) -> Sequence[str]:
        """Remove what nobody has wanted for a week."""
        return await self._threads.run(lambda: self._sweep(wanted))

    async def close(self) -> None:
        """Finish what was begun."""
        await self._threads.close()

    async def _bring_one(
        self,
        job: DownloadJob,
        number: int,
        source: DownloadSource,
        lanes: Lanes,
        tell: Callable[[DownloadFile], None],
    ) -> None:
        file, work = job.files[number], self._work(job.key)
        target = work / _WHOLE / file.name

        def told(now: DownloadFile) -> None:
            nonlocal file
            file = now
            tell(now)

        if not await self._threads.run(lambda: _size(target) == file.size_bytes):
            transfer = Transfer(source=source, path=work / f"{number}.part", file=file, lanes=lanes, tell=told)
            sha256 = await transfer.run()
            await self._threads.run(lambda: _move(transfer.path, target, _note(job, file, sha256)))
        tell(evolve(file, bytes_done=file.size_bytes, status=FileStatus.COMPLETED))

    def _work(self, key: str) -> Path:
        return self._folder / HIDDEN / key

    def _names(self, job: DownloadJob) -> list[Path]:
        """What the model's folder may be called: plainly, or with a part of the key if there is another model."""
        return [self._folder / job.folder, self._folder / f"{job.folder}-{job.key[:8]}"]

    def _put(self, job: DownloadJob) -> Path:
        work = self._work(job.key)
        whole = work / _WHOLE
        for folder in sorted({whole, *(it.parent for it in whole.rglob("*"))}):
            flush_folder(folder)
        target = next((it for it in self._names(job) if not it.exists()), None)
        if target is None:  # of the same content, or what somebody has taken files out of
            target = self._names(job)[-1]
            shutil.rmtree(target)
        whole.rename(target)
        flush_folder(self._folder)
        shutil.rmtree(work, ignore_errors=True)
        return target

    def _sweep(self, wanted: Collection[str]) -> list[str]:
        gone = []
        with suppress(FileNotFoundError):
            for work in sorted((self._folder / HIDDEN).iterdir()):
                if work.name in wanted or time.time() - work.stat().st_mtime < KEPT_S:
                    continue
                with ExitStack() as held:
                    if _lock(work, held):
                        shutil.rmtree(work, ignore_errors=True)
                        gone.append(work.name)
        return gone


def _lock(work: Path, held: ExitStack) -> bool:
    """Hold the lock of a folder, which is made if it is not there; whether nobody else has it."""
    work.mkdir(parents=True, exist_ok=True)
    lock = held.enter_context((work / _LOCK).open("ab"))
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _has_all(folder: Path, job: DownloadJob) -> bool:
    return bool(job.files) and all(_has(folder / it.name, it, job) for it in job.files)


def _has(path: Path, file: DownloadFile, job: DownloadJob) -> bool:
    if _size(path) != file.size_bytes:
        return False
    if not file.name.lower().endswith(WEIGHTS):
        return True
    note_file = path.with_name(SourceNote.name_for(path.name))
    note = SourceNote.from_json(note_file.read_bytes()) if _size(note_file) else None
    if note is None:
        return False
    promised = (file.digest or "").startswith("sha256:")
    return file.digest == f"sha256:{note.sha256}" if promised else note.source == job.public_source


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() and not path.is_symlink() else None


def _note(job: DownloadJob, file: DownloadFile, sha256: str) -> SourceNote | None:
    """Where weights come from; of what describes them nobody asks that."""
    if not file.name.lower().endswith(WEIGHTS):
        return None
    weights = sum(it.name.lower().endswith(WEIGHTS) for it in job.files)
    return SourceNote(
        source=job.public_source,
        sha256=sha256,
        size_bytes=file.size_bytes,
        files=weights,
        license=job.license,
    )


def _move(partial: Path, target: Path, note: SourceNote | None) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if note:
        target.with_name(SourceNote.name_for(target.name)).write_text(note.to_json(), encoding="utf-8")
    partial.rename(target)
    partial.with_suffix(".journal").unlink(missing_ok=True)
