"""The port of jobs: where they are kept, and who may work on them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from attrs import frozen

from ..domain.access import Principal
from ..domain.idempotency import IdempotencyKey
from ..domain.job import GenerationJob
from .command import GenerateCommand
from .tracing import SpanContext
from .transcript import Numbered


@frozen(kw_only=True)
class Asked:
    """What a job was asked, by whom, and in which request; `key` stands for the job, `trace` is the request's."""

    command: GenerateCommand
    principal: Principal
    request_id: str
    key: IdempotencyKey | None = None
    trace: SpanContext | None = None


class JobStore(Protocol):
    """Jobs, for any number of processes. What was written is durable.

    A job that was claimed is its worker's until the claim ends; whoever works on it renews that. The clock is the
    processes', which have to agree within a second or two.
    """

    async def add(self, job: GenerationJob, asked: Asked, queue_limit: int) -> None:
        """Queue a job.

        Raises:
            Overloaded: `queue_limit` jobs wait for its model already.
            IdempotencyInProgress: the owner's key stands for another job.
        """

    async def get(self, job_id: str) -> GenerationJob | None:
        """The job with that id."""
        ...

    async def of_key(self, owner: str, key: str) -> tuple[GenerationJob, IdempotencyKey] | None:
        """The job that the owner's idempotency key stands for, and the key as it was used."""
        ...

    async def claim(
        self, worker: str, now: datetime, until: datetime, *, but_of: Collection[str] = ()
    ) -> tuple[GenerationJob, Asked] | None:
        """Make the oldest job that can be worked on the worker's, and give it.

        That is one that is queued and nobody's, of a model that is not among `but_of`, before which no other one of its
        session waits or runs.
        """
        ...

    async def renew(self, worker: str, until: datetime) -> Mapping[str, bool]:
        """Go on with all of the worker's jobs; gives their ids, and of each whether it shall be cancelled."""
        ...

    async def release(self, job_id: str, worker: str, until: datetime) -> None:
        """Give a job that was not begun back to its queue; nobody claims it before `until`."""

    async def begin(self, job: GenerationJob) -> bool:
        """Store that its worker works on it.

        Returns:
            Whether it is still its worker's, and queued.
        """
        ...

    async def end(self, job: GenerationJob) -> bool:
        """Store how it ended, and forget what was asked.

        Returns:
            Whether it still was its worker's, and had not ended.
        """
        ...

    async def tell(self, pieces: Sequence[Numbered]) -> None:
        """Keep more of what a running job gives, for those who follow it in other processes.

        They are in order, and more than none, of one job. Progress that was told last gives way to them.
        """

    async def told(self, job_id: str, after: int) -> Sequence[Numbered]:
        """What was told of a job after that number, in order; perhaps not all of it at once."""
        ...

    async def latest(self, job_id: str) -> Numbered | None:
        """What was told of a job last."""
        ...

    async def forget_told(self, before: datetime) -> None:
        """Delete what was told of the jobs that ended before then; the jobs stay."""

    async def cancel(self, job_id: str) -> None:
        """Ask whoever works on it to stop; see `renew`."""

    async def abandoned(self, now: datetime) -> Sequence[GenerationJob]:
        """The jobs that run, and whose worker does not renew its claim."""
        ...

    async def disown(self) -> None:
        """End every claim, if no other process can have one: this one has just started."""

    async def waiting_and_running(self) -> tuple[int, int]:
        """How many jobs are queued, and how many run, over all processes."""
        ...

    async def forget_session(self, session_id: str) -> int:
        """Delete all jobs of a session, and give their number."""
        ...

    async def forget_ended(self, before: datetime) -> int:
        """Delete the jobs that ended before then, and give their number."""
        ...
