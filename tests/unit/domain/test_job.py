"""A job's life: it begins at most once, and what has ended never changes."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain.errors import Interrupted, Overloaded
from pluggably.domain.job import ENDED, GenerationJob, JobStatus
from tests.contracts.job_store import a_job, a_result
from tests.session_builders import NOON

STEPS = {
    JobStatus.RUNNING: lambda job, at: job.begun(at),
    JobStatus.COMPLETED: lambda job, at: job.completed(a_result(), at, 7),
    JobStatus.FAILED: lambda job, at: job.failed(Overloaded(detail="Full."), at, 7),
    JobStatus.CANCELLED: lambda job, at: job.cancelled(at, 7),
}


@given(st.lists(st.sampled_from(list(STEPS)), max_size=6))
def test_nothing_comes_after_the_end(steps):
    job, ended = a_job(), None
    for number, status in enumerate(steps):
        at = NOON + timedelta(seconds=number)
        if ended:
            with pytest.raises(ValueError, match="has ended"):
                STEPS[status](job, at)
            assert job == ended
            continue
        job = STEPS[status](job, at)
        assert job.status is status
        if status in ENDED:
            ended = job
            assert (job.ended_at, job.sequence) == (at, 7)


def test_when_it_began_is_told_once():
    job = a_job().begun(NOON)
    assert job.begun(NOON + timedelta(seconds=1)) == job
    assert job.started_at == NOON


def test_one_whose_process_is_gone_may_be_asked_again():
    job: GenerationJob = a_job().begun(NOON).interrupted(NOON)
    assert (job.status, job.failure.code, job.failure.retryable) == (JobStatus.FAILED, "interrupted", True)
    assert job.failure.detail == str(Interrupted())
