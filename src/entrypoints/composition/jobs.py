"""What stands behind the port of jobs, for the composition root, and what drives them as long as the service runs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from ...application.job_ports import JobStore
from ...application.job_worker import LEASE, JobWorker
from ...application.news import keep_taking
from ...application.ports import Clock, IdFactory
from ...domain.errors import GatewayError
from ..settings import Settings
from ..upkeep.periodic import repeated
from .environment import secret

if TYPE_CHECKING:
    from ...adapters.database.sql import Database

LOOK_S = 1.0
"""How often is looked for jobs that other processes have queued, and for those that waited long enough."""

SHARE_S = 0.25
"""How often other processes are told what jobs give."""

TOLD_FOR = timedelta(minutes=1)
"""How long after a job's end those who follow it elsewhere may still read what it gave."""

CLEANUP_S = 3_600.0

_log = structlog.get_logger()


def store(settings: Settings, database: "Database") -> JobStore:
    """Where jobs are."""
    from ...adapters.jobs.keys import job_key_in, job_key_of
    from ...adapters.jobs.store import SqlJobStore

    if variable := settings.sessions.master_key_env:
        key = job_key_of(secret(variable, "The session store takes its master key"))
    else:
        key = job_key_in(settings.data_path / "jobs.key")
    return SqlJobStore(database, key, alone=not is_shared(settings))


def is_shared(settings: Settings) -> bool:
    """Whether other processes may work on the same jobs."""
    return settings.sessions.store == "postgres"


def worker_name(new_id: IdFactory) -> str:
    """What this process is called among those that work on jobs."""
    return new_id("run")


def unexpected(job_id: str, error: Exception) -> None:
    """Log an error that nobody thought of."""
    _log.error("job.failed", job=job_id, exc_info=error)


@asynccontextmanager
async def being_worked_on(
    worker: JobWorker, store: JobStore, clock: Clock, *, keep_days: int, grace_s: float
) -> AsyncIterator[None]:
    """Work on jobs until the context is left; what the process before has left behind is ended first.

    Those at work then have `grace_s` to come to their end.

    Raises:
        GatewayError: the store failed at the beginning; later on it may, and is asked again.
    """

    async def forget() -> None:
        if forgotten := await store.forget_ended(clock() - timedelta(days=keep_days)):
            _log.info("jobs.forgotten", jobs=forgotten)

    def not_taken(error: Exception) -> None:
        if isinstance(error, GatewayError):
            worker.lose_sight()
            _log.warning("jobs.not_taken", code=error.code, error=str(error))
        else:
            _log.error("jobs.not_taken", exc_info=error)

    async def forget_told() -> None:
        await store.forget_told(clock() - TOLD_FOR)

    await store.disown()
    if worker.shared:
        worker.lose_sight()
    await worker.bury()
    async with (
        repeated(worker.share, SHARE_S, failed="jobs.sharing_failed"),
        repeated(forget_told, TOLD_FOR.total_seconds(), failed="jobs.cleanup_failed"),
        repeated(worker.renew, LEASE.total_seconds() / 10, failed="jobs.renewal_failed"),
        repeated(worker.bury, LEASE.total_seconds() / 3, failed="jobs.sweep_failed"),
        repeated(forget, CLEANUP_S, failed="jobs.cleanup_failed"),
    ):
        taking = asyncio.create_task(keep_taking(worker.take, worker.news, LOOK_S, not_taken))
        try:
            yield
        finally:
            taking.cancel()
            await asyncio.wait({taking})
            await worker.close(grace_s)
