"""A hidden folder inside another one, for what is not whole yet.

Being on the same file system, a file moves out of it by one rename; being hidden, the discovery of models does not look
into it. It goes when the work ends, however it ends. What a killed process left behind is swept when the next one is
made there, which finds its lock free.
"""

import asyncio
import fcntl
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

PREFIX = ".work-"

_LOCK, _FILES = "lock", "files"
_UNLOCKED_FOR_S = 60  # a folder younger than this may be about to be locked

T = TypeVar("T")


async def in_thread(work: Callable[..., T], *args: object) -> T:
    """Run blocking work in a thread; when cancelled, wait for it, so that nothing it uses is taken from under it."""
    running = asyncio.get_running_loop().run_in_executor(None, work, *args)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        running.exception()  # the cancellation is what counts; a future's error must be looked at all the same
        raise


@asynccontextmanager
async def workspace(folder: Path) -> AsyncIterator[Path]:
    """A new empty folder somewhere in `folder`, which is made if it is not there; removed at the end.

    Raises:
        OSError: `folder` cannot be written to.
    """
    place = folder / f"{PREFIX}{uuid4().hex}"
    with ExitStack() as held:
        try:
            yield await in_thread(_open, place, held)
        finally:
            await in_thread(_remove, place, held)


def _open(place: Path, held: ExitStack) -> Path:
    _sweep(place.parent)
    files = place / _FILES
    files.mkdir(parents=True)
    lock = held.enter_context((place / _LOCK).open("wb"))
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return files


def _remove(place: Path, held: ExitStack) -> None:
    with held:  # closed here: the disk takes its time to forget a file that is still open
        shutil.rmtree(place, ignore_errors=True)  # what cannot be removed now is swept later


def _sweep(folder: Path) -> None:
    """Remove what killed processes left behind."""
    for place in folder.glob(f"{PREFIX}*"):
        with suppress(FileNotFoundError, BlockingIOError):  # removed by its owner meanwhile, or still in use
            if time.time() - place.stat().st_mtime > _UNLOCKED_FOR_S:
                with (place / _LOCK).open("ab") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(place, ignore_errors=True)
