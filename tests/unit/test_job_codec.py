"""What is told of jobs, as earlier versions stored it."""

from pluggably.adapters.jobs.codec import decode_told
from pluggably.domain.job import JobFailure


def test_a_failure_stored_before_tries_were_is_read():
    stored = b'{"failure":{"code":"overloaded","detail":"Too much.","source":"runner","retryable":true}}'
    assert decode_told(stored).failure == JobFailure(
        code="overloaded", detail="Too much.", source="runner", retryable=True
    )
