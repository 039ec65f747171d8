"""A download: the files of a model on their way here.

Everything that decides what may happen to a download is in this file: which states follow which, how far it has come,
how fast, and how long it will still take. All of it is pure; the time is passed in.

    queued ─► running ─► verifying ─► completed
       ▲        │  │         │
       └────────┘  └─────────┴─► paused · failed · cancelled

A paused or failed download can be queued again and goes on from what is there. One that was cancelled or completed
has ended.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from attrs import evolve, frozen

from .errors import DownloadStateConflict
from .model import Modality

RATE_MEMORY_S = 5.0
"""What happened so long ago counts for about a third in the rate."""


class DownloadStatus(StrEnum):
    """Where a download stands. The values are the API's."""

    QUEUED = "queued"  # waits for its turn
    RUNNING = "running"
    VERIFYING = "verifying"  # every byte is here; they are compared with what was promised, and put in place
    PAUSED = "paused"  # somebody wants it to wait
    COMPLETED = "completed"
    FAILED = "failed"  # `failure` says why
    CANCELLED = "cancelled"


NEXT: Mapping[DownloadStatus, frozenset[DownloadStatus]] = {
    DownloadStatus.QUEUED: frozenset(
        {DownloadStatus.RUNNING, DownloadStatus.PAUSED, DownloadStatus.FAILED, DownloadStatus.CANCELLED}
    ),
    DownloadStatus.RUNNING: frozenset(
        {
            DownloadStatus.RUNNING,  # taken over from a process that died
            DownloadStatus.QUEUED,  # given back by a process that stops
            DownloadStatus.VERIFYING,
            DownloadStatus.PAUSED,
            DownloadStatus.FAILED,
            DownloadStatus.CANCELLED,
        }
    ),
    DownloadStatus.VERIFYING: frozenset(
        {
            DownloadStatus.RUNNING,
            DownloadStatus.QUEUED,
            DownloadStatus.PAUSED,
            DownloadStatus.COMPLETED,
            DownloadStatus.FAILED,
            DownloadStatus.CANCELLED,
        }
    ),
    DownloadStatus.PAUSED: frozenset({DownloadStatus.QUEUED, DownloadStatus.CANCELLED}),
    DownloadStatus.FAILED: frozenset({DownloadStatus.QUEUED}),
    DownloadStatus.COMPLETED: frozenset(),
    DownloadStatus.CANCELLED: frozenset(),
}
"""Every legal change."""

AT_WORK = frozenset({DownloadStatus.RUNNING, DownloadStatus.VERIFYING})
"""Some process has it."""

ENDED = frozenset({DownloadStatus.COMPLETED, DownloadStatus.FAILED, DownloadStatus.CANCELLED})
"""Nothing happens any more by itself."""


class FileStatus(StrEnum):
    """Where one file stands."""

    PENDING = "pending"
    RUNNING = "running"
    VERIFYING = "verifying"
    COMPLETED = "completed"


@frozen(kw_only=True)
class DownloadFile:
    """One file of a download.

    `name` is its path in the model's folder, see `file_names`. `address` is what its source finds it by, and `tag` the
    source's word for this very version of it. `digest` is what was promised of its content: `sha256:<hex>`, or
    `git:<hex>` for the id that git gives it.
    """

    name: str
    size_bytes: int
    address: str
    digest: str | None = None
    tag: str | None = None
    bytes_done: int = 0
    status: FileStatus = FileStatus.PENDING


@frozen(kw_only=True)
class WantedModel:
    """What the model shall be in the catalog, as far as somebody said so."""

    id: str | None = None
    name: str | None = None
    modality: Modality | None = None


@frozen(kw_only=True)
class Failure:
    """Why a download failed."""

    code: str
    detail: str
    retryable: bool


@frozen(kw_only=True)
class Rate:
    """How fast bytes come, the last seconds counting most; `bytes_per_s` is None until two moments are known."""

    bytes_per_s: float | None = None
    bytes_done: int = 0
    at: datetime | None = None

    def observed(self, bytes_done: int, at: datetime) -> "Rate":
        """The rate once it is known that so many bytes are here at that time."""
        passed_s = (at - self.at).total_seconds() if self.at else 0.0
        if self.at is None or bytes_done < self.bytes_done:
            return Rate(bytes_done=bytes_done, at=at)
        if passed_s <= 0:
            return self
        now = (bytes_done - self.bytes_done) / passed_s
        if self.bytes_per_s is not None:
            kept = math.exp(-passed_s / RATE_MEMORY_S)
            now = kept * self.bytes_per_s + (1 - kept) * now
        return Rate(bytes_per_s=now, bytes_done=bytes_done, at=at)


@frozen(kw_only=True)
class DownloadJob:
    """A download. `key` says what it brings: two of the same content have the same.

    `folder` is what the model's folder will be called, `source` what the client named, `revision` the version of it
    that was meant at that moment. `version` counts the changes that were stored.
    """

    id: str
    owner: str
    source: str
    key: str
    folder: str
    files: tuple[DownloadFile, ...]
    created_at: datetime
    updated_at: datetime
    status: DownloadStatus = DownloadStatus.QUEUED
    revision: str | None = None
    license: str | None = None
    wanted: WantedModel | None = None
    model_ids: tuple[str, ...] = ()
    failure: Failure | None = None
    rate: Rate = Rate()
    version: int = 1

    @property
    def public_source(self) -> str:
        """Its source without the part of a URL that may hold a signature: what may be shown."""
        return self.source.partition("?")[0].partition("#")[0]

    @property
    def bytes_done(self) -> int:
        """How many bytes are here."""
        return sum(file.bytes_done for file in self.files)

    @property
    def bytes_total(self) -> int:
        """How many there are."""
        return sum(file.size_bytes for file in self.files)

    @property
    def bytes_left(self) -> int:
        """How many have still to come."""
        return max(self.bytes_total - self.bytes_done, 0)

    @property
    def percent(self) -> float:
        """How much of it is here, with one digit; 100 only when nothing is missing."""
        return percent(self.bytes_done, self.bytes_total, ended=self.status is DownloadStatus.COMPLETED)

    @property
    def rate_bytes_per_s(self) -> float | None:
        """How fast bytes come; None unless they do."""
        return self.rate.bytes_per_s if self.status is DownloadStatus.RUNNING else None

    @property
    def eta_s(self) -> float | None:
        """How long the rest will take; None where nobody can tell, as at less than a byte a second."""
        rate = self.rate_bytes_per_s
        return self.bytes_left / rate if rate and rate >= 1 and self.bytes_total else None


def percent(done: int, total: int, *, ended: bool = False) -> float:
    """`done` of `total`, rounded down to a tenth; without a total, everything once it has ended and nothing before."""
    if total <= 0:
        return 100.0 if ended else 0.0
    return min(done * 1000 // total, 1000) / 10


def key_of(source: str, files: tuple[DownloadFile, ...]) -> str:
    """What a download brings, as a hex digest: the contents where all are promised, else the source and its files."""
    promised = all(file.digest for file in files)
    lines = [f"{file.name}\0{file.digest if promised else (file.digest, file.size_bytes, file.tag)}" for file in files]
    return sha256("\n".join(sorted(lines) if promised and files else [source, *sorted(lines)]).encode()).hexdigest()


def start(job: DownloadJob, *, at: datetime) -> DownloadJob:
    """A process has taken it."""
    return evolve(_moved(job, DownloadStatus.RUNNING, at), rate=Rate(bytes_done=job.bytes_done, at=at), failure=None)


def progress(job: DownloadJob, files: tuple[DownloadFile, ...], *, at: datetime) -> DownloadJob:
    """It has come that far."""
    job = evolve(job, files=files, updated_at=at)
    return evolve(job, rate=job.rate.observed(job.bytes_done, at))


def verify(job: DownloadJob, *, at: datetime) -> DownloadJob:
    """Every byte is here."""
    return _moved(job, DownloadStatus.VERIFYING, at)


def complete(job: DownloadJob, model_ids: tuple[str, ...], *, at: datetime) -> DownloadJob:
    """The model is in place."""
    files = tuple(evolve(it, bytes_done=it.size_bytes, status=FileStatus.COMPLETED) for it in job.files)
    return evolve(_moved(job, DownloadStatus.COMPLETED, at), files=files, model_ids=model_ids)


def fail(job: DownloadJob, failure: Failure, *, at: datetime) -> DownloadJob:
    """It cannot go on."""
    return evolve(_moved(job, DownloadStatus.FAILED, at), failure=failure)


def give_back(job: DownloadJob, *, at: datetime) -> DownloadJob:
    """The process that has it stops; another one, or the same later on, shall go on."""
    return _moved(job, DownloadStatus.QUEUED, at)


def pause(job: DownloadJob, *, at: datetime) -> DownloadJob:
    """Let it wait; twice is the same as once.

    Raises:
        DownloadStateConflict: it has ended.
    """
    return job if job.status is DownloadStatus.PAUSED else _moved(job, DownloadStatus.PAUSED, at)


def resume(job: DownloadJob, *, at: datetime) -> DownloadJob:
    """Let it go on, also after it failed; one that is at work does already.

    Raises:
        DownloadStateConflict: it was cancelled, or is complete.
    """
    going_on = AT_WORK | {DownloadStatus.QUEUED}
    return job if job.status in going_on else evolve(_moved(job, DownloadStatus.QUEUED, at), failure=None)


def cancel(job: DownloadJob, *, at: datetime) -> DownloadJob:
    """End it; twice is the same as once.

    Raises:
        DownloadStateConflict: it has ended otherwise.
    """
    return job if job.status is DownloadStatus.CANCELLED else _moved(job, DownloadStatus.CANCELLED, at)


def _moved(job: DownloadJob, status: DownloadStatus, at: datetime) -> DownloadJob:
    if status not in NEXT[job.status]:
        raise DownloadStateConflict(detail=f"The download is {job.status}: it cannot become {status}.")
    return evolve(job, status=status, updated_at=at)
