"""Jobs whose process is gone are ended by another one, but not by one that may itself have been cut off."""

from datetime import datetime, timedelta

import pytest
from attrs import define

from pluggably.adapters.memory.jobs import MemoryJobStore
from pluggably.application.job_worker import LEASE, JobWorker
from pluggably.domain.job import JobStatus
from tests.contracts.job_store import a_job, asked
from tests.session_builders import NOON


@define
class Clock:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def jobs(clock):
    """A store with a job that runs in a process of which nothing is heard any more."""
    jobs = MemoryJobStore()
    await jobs.add(a_job(), asked(), 9)
    claimed, _ = await jobs.claim("gone", clock(), clock() + LEASE)
    await jobs.begin(claimed.begun(clock()))
    return jobs


@pytest.fixture
def worker(jobs, clock):
    return JobWorker(store=jobs, generate=None, clock=clock, name="here", unexpected=None)


async def status(jobs):
    return (await jobs.get("gen_1")).status


async def test_a_job_is_interrupted_once_its_claim_is_over(worker, jobs, clock):
    clock.now += LEASE - timedelta(seconds=1)
    await worker.bury()
    assert await status(jobs) is JobStatus.RUNNING
    clock.now += timedelta(seconds=1)
    await worker.bury()
    assert await status(jobs) is JobStatus.FAILED


async def test_after_the_store_was_away_others_have_the_time_of_a_claim_to_say_that_they_live(worker, jobs, clock):
    clock.now += 10 * LEASE
    worker.lose_sight()
    await worker.bury()
    assert await status(jobs) is JobStatus.RUNNING
    clock.now += LEASE
    await worker.bury()
    assert await status(jobs) is JobStatus.FAILED
