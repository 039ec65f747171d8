"""A job: a generation that goes on in the background, whoever waits for it.

    queued ──begun──▶ running ──▶ completed · failed · cancelled
       └───────────────────────▶ completed · failed · cancelled

A job waits in the queue of its model and runs once. What has ended never changes. One that runs when its process ends
has failed as `interrupted`: a model may have worked on it, so that it is not asked a second time.
"""

from datetime import datetime
from enum import StrEnum

from attrs import evolve, field, frozen

from .artifact import Delivery
from .attempt import Attempt
from .errors import GatewayError, Interrupted, Source
from .generation import Generation, Metadata
from .model import Modality


class JobStatus(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})


@frozen(kw_only=True)
class JobFailure:
    """Why a job has no result, as its client is told. `attempts` are what was tried."""

    code: str
    detail: str
    source: Source = "gateway"
    retryable: bool = False
    attempts: tuple[Attempt, ...] = ()

    @classmethod
    def of(cls, error: GatewayError) -> "JobFailure":
        """What is remembered of an error."""
        return cls(
            code=error.code,
            detail=str(error),
            source=error.source,
            retryable=error.retryable,
            attempts=error.attempts,
        )


@frozen(kw_only=True)
class GenerationJob:
    """One job.

    `sequence` is the number of the last event that its followers were given, the end's once it has ended, and 0 while
    nobody knows. `worker` is the process that works on it, or was to. `metadata` is the client's.
    """

    id: str
    owner: str
    modality: Modality
    model: str
    provider: str
    created_at: datetime
    status: JobStatus = JobStatus.QUEUED
    session_id: str | None = None
    worker: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    sequence: int = 0
    delivery: Delivery = "auto"
    metadata: Metadata = field(factory=dict)
    result: Generation | None = None
    failure: JobFailure | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it will not change any more."""
        return self.status in ENDED

    def begun(self, at: datetime) -> "GenerationJob":
        """The job once it is worked on; it may be told twice."""
        return evolve(self._going_on(), status=JobStatus.RUNNING, started_at=self.started_at or at)

    def completed(self, result: Generation, at: datetime, sequence: int) -> "GenerationJob":
        """The job with its result."""
        return evolve(self._going_on(), status=JobStatus.COMPLETED, result=result, ended_at=at, sequence=sequence)

    def failed(self, error: GatewayError, at: datetime, sequence: int = 0) -> "GenerationJob":
        """The job that has no result."""
        return evolve(
            self._going_on(),
            status=JobStatus.FAILED,
            failure=JobFailure.of(error),
            ended_at=at,
            sequence=sequence,
        )

    def interrupted(self, at: datetime, sequence: int = 0) -> "GenerationJob":
        """The job whose process is gone."""
        return self.failed(Interrupted(), at, sequence)

    def cancelled(self, at: datetime, sequence: int = 0) -> "GenerationJob":
        """The job that its client does not want any more."""
        return evolve(self._going_on(), status=JobStatus.CANCELLED, ended_at=at, sequence=sequence)

    def _going_on(self) -> "GenerationJob":
        if self.has_ended:
            raise ValueError(f"job {self.id} has ended")
        return self
