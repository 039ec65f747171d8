"""The ports of downloads: where models come from, where their files are put, and who remembers what is under way."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Protocol

from attrs import frozen

from ..domain.download import DownloadFile, DownloadJob, DownloadStatus, WantedModel


@frozen(kw_only=True)
class Lease:
    """Who works on a download, and until when nobody else may."""

    worker: str
    until: datetime


class DownloadStore(Protocol):
    """The downloads, in a database that several processes may share. What was written is durable."""

    async def add(self, job: DownloadJob) -> DownloadJob:
        """Add a download, unless one of the same key has not ended.

        Returns:
            The one that was added, or the one that is there.
        """
        ...

    async def get(self, job_id: str) -> DownloadJob | None:
        """The download with that id."""
        ...

    async def of_key(self, key: str) -> DownloadJob | None:
        """The download of that key that has not ended."""
        ...

    async def list(self, *, limit: int, before: str | None = None) -> Sequence[DownloadJob]:
        """Downloads, the newest first; those older than the one of the id `before`."""
        ...

    async def claim(self, lease: Lease, at: datetime) -> DownloadJob | None:
        """Give the oldest download that waits, or whose worker's lease is over, to whoever asks; to one only."""
        ...

    async def save(self, job: DownloadJob, lease: Lease | None = None) -> DownloadJob | None:
        """Store a download over the version of it that `job` was made from.

        Without a lease nobody works on it any more, or shall.

        Returns:
            It as it is stored, with its new version; None if it was changed by somebody else, or is gone.
        """
        ...

    async def numbers(self) -> Mapping[DownloadStatus, int]:
        """How many downloads there are of each status that has not ended; a status without any may be left out."""
        ...

    async def keys(self) -> Collection[str]:
        """The keys of all downloads whose partial files may be of use."""
        ...

    async def end_leases(self) -> None:
        """Take every lease for over: only for a process that is sure to be the only one."""

    async def delete(self, job_id: str) -> None:
        """Forget a download; twice is the same as once."""


@frozen(kw_only=True)
class Listing:
    """What a source has to offer under a reference.

    `name` is what the model is called there, `pinned` the reference with the very version in it, where there is one.
    """

    name: str
    pinned: str
    files: tuple[DownloadFile, ...]
    revision: str | None = None
    license: str | None = None


Chunk = bytes | memoryview
"""Bytes that belong to whoever got them: nobody writes over them."""


@frozen(kw_only=True)
class Opened:
    """The content of a file, from `start` on: where it was asked for, or 0 from a source that only gives the whole.

    `size_bytes` and `tag` are the whole file's, as the source has it now.
    """

    start: int
    size_bytes: int
    tag: str | None
    chunks: AsyncIterator[Chunk]


class DownloadSource(Protocol):
    """A kind of place that models come from. Whatever it raises is a `GatewayError`."""

    scheme: str

    async def list(self, reference: str, include: Sequence[str]) -> Listing:
        """What there is under a reference, of the files that `include` accepts or, without it, of those that are safe.

        Names are as the source gives them: the caller checks them.

        Raises:
            InvalidRequest: it is no reference of this kind, or so much that a choice has to be made.
            NotFound: there is nothing; the message says what there is.
            SourceForbidden: what to do to get access.
            SourceUnreachable: try later.
            UrlNotAllowed: nothing is fetched from there; no connection was tried.
        """
        ...

    def open(self, file: DownloadFile, start: int, stop: int) -> AbstractAsyncContextManager[Opened]:
        """The bytes of a file from `start` up to `stop`; leaving closes the connection.

        Raises:
            NotFound, SourceForbidden: as above.
            SourceUnreachable: also in the midst of the chunks, when they break off or nothing comes for long.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and threads."""


class DownloadPlace(Protocol):
    """Where files are put: hidden and partial first, under a model's name only when everything is whole."""

    def held(self, job: DownloadJob) -> AbstractAsyncContextManager[None]:
        """Be the only one, in any process of this machine, that works on the partial files of the download.

        Raises:
            Overloaded: somebody else does.
        """
        ...

    async def find(self, job: DownloadJob) -> Path | None:
        """The model's folder, as `put` returns it, if all files are in it already, of the same content."""
        ...

    async def bring(self, job: DownloadJob, source: DownloadSource, tell: Callable[[DownloadFile], None]) -> None:
        """Fetch every file that is not whole yet, going on from what is here, and check it.

        Each change of a file is told, not awaited. Being cancelled closes every connection and keeps what came.

        Raises:
            ChecksumMismatch, UnsafeFile, SourceChanged: the file was removed.
            InsufficientStorage, SourceFailed, NotFound: as they say; what came is kept.
        """

    async def put(self, job: DownloadJob) -> Path:
        """Give the model its place, in one step and durably, with notes of where it came from.

        Returns:
            The model's folder, absolute and without links.
        """
        ...

    async def discard(self, key: str) -> None:
        """Remove every partial file of the download; twice is the same as once."""

    async def sweep(self, wanted: Collection[str]) -> Sequence[str]:
        """Remove partial files that nobody works on, of no download with one of these keys, and older than a week.

        Returns:
            The keys they were of.
        """
        ...

    async def close(self) -> None:
        """Let go of threads."""


class StorageBudget(Protocol):
    """How much may be stored."""

    async def reserve(self, key: str, size_bytes: int) -> None:
        """Set so many bytes aside for the download of that key, instead of what was before.

        Raises:
            InsufficientStorage: there is not so much; what was set aside before is not any more.
        """

    async def release(self, key: str) -> None:
        """Set nothing aside any more."""


class Arrivals(Protocol):
    """Who is told that a model has come."""

    async def expect_free(self, wanted: WantedModel, folder: Path | None, source: str | None) -> None:
        """Insist that a model which is to come may have the id that is wanted for it.

        Args:
            wanted: what it shall be.
            folder: where it is already, if it is.
            source: what it is known by, if that is its source alone.

        Raises:
            NameTaken: another model is called so.
        """

    async def arrived(self, folder: Path | None, source: str, wanted: WantedModel | None) -> Sequence[str]:
        """Take what came from a source into the catalog, as what somebody wanted it to be.

        Without a folder it is known by its source alone.

        Returns:
            The ids of the models.

        Raises:
            InvalidRequest: there is not exactly one, which could be what was wanted.
            NameTaken: another model has come to be called so.
        """
        ...


Sources = Mapping[str, DownloadSource]
"""By their schemes."""
