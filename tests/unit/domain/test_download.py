"""Which states of a download follow which, and how far it says that it is."""

from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from pluggably.domain import download as rules
from pluggably.domain.download import ENDED, NEXT, DownloadStatus, Rate, key_of, percent
from pluggably.domain.errors import DownloadStateConflict
from tests.download_builders import a_download, a_file, in_state, with_bytes
from tests.session_builders import NOON

FAILURE = rules.Failure(code="source_unreachable", detail="gone", retryable=True)
DECISIONS = {
    "start": lambda job: rules.start(job, at=NOON),
    "verify": lambda job: rules.verify(job, at=NOON),
    "complete": lambda job: rules.complete(job, (), at=NOON),
    "fail": lambda job: rules.fail(job, FAILURE, at=NOON),
    "give_back": lambda job: rules.give_back(job, at=NOON),
    "pause": lambda job: rules.pause(job, at=NOON),
    "resume": lambda job: rules.resume(job, at=NOON),
    "cancel": lambda job: rules.cancel(job, at=NOON),
}


@given(st.lists(st.sampled_from(sorted(DECISIONS)), max_size=12))
def test_whatever_is_tried_only_legal_changes_happen(tries):
    job = a_download()
    for name in tries:
        try:
            changed = DECISIONS[name](job)
        except DownloadStateConflict:
            continue
        assert changed.status in NEXT[job.status] | {job.status}
        job = changed


@pytest.mark.parametrize("status", [DownloadStatus.COMPLETED, DownloadStatus.CANCELLED])
@pytest.mark.parametrize("name", ["start", "pause", "resume", "fail"])
def test_what_has_ended_stays_as_it_is(status, name):
    with pytest.raises(DownloadStateConflict):
        DECISIONS[name](in_state(status))


@pytest.mark.parametrize(
    ("name", "status"), [("pause", "paused"), ("cancel", "cancelled"), ("resume", "queued"), ("resume", "running")]
)
def test_to_ask_twice_is_the_same_as_once(name, status):
    job = in_state(DownloadStatus(status))
    assert DECISIONS[name](job) is job


def test_what_failed_can_go_on_and_forgets_why_it_failed():
    resumed = rules.resume(in_state(DownloadStatus.FAILED), at=NOON)
    assert (resumed.status, resumed.failure) == (DownloadStatus.QUEUED, None)


def test_the_end_has_every_byte_and_names_the_models():
    job = rules.complete(with_bytes(in_state(DownloadStatus.VERIFYING), 3), ("tiny",), at=NOON)
    assert (job.bytes_done, job.percent, job.model_ids, job.status in ENDED) == (1_000, 100.0, ("tiny",), True)


@given(st.integers(0, 2**50), st.integers(1, 2**50))
def test_percent_is_never_100_before_the_end_nor_more_than_it(done, total):
    it = percent(done, total)
    assert 0 <= it <= 100
    assert (it == 100) == (done >= total)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.integers(0, 2**40)), min_size=2, max_size=30))
def test_the_rate_lies_between_the_slowest_and_the_fastest_moment(moments):
    rate, at, done, seen = Rate().observed(0, NOON), NOON, 0, []
    for passed_s, more in moments:
        at, done = at + timedelta(seconds=passed_s), done + more
        seen.append(more / ((at - rate.at).total_seconds()))
        rate = rate.observed(done, at)
    assert min(seen) * 0.999 <= rate.bytes_per_s <= max(seen) * 1.001


def test_a_steady_download_knows_when_it_will_be_here():
    job = in_state(DownloadStatus.RUNNING)
    for second in range(1, 4):
        at = job.rate.at + timedelta(seconds=1)
        job = rules.progress(job, with_bytes(job, 100 * second).files, at=at)
    assert (job.rate_bytes_per_s, job.eta_s) == (100, 7)


def test_a_download_that_hangs_does_not_say_when_it_will_be_here():
    job = rules.start(with_bytes(a_download(), 100), at=NOON)
    for second in range(1, 200):
        job = rules.progress(job, with_bytes(job, 200).files, at=NOON + timedelta(seconds=second))
    assert job.rate_bytes_per_s < 1
    assert job.eta_s is None


def test_what_was_fetched_before_does_not_count_for_the_rate():
    job = rules.start(with_bytes(a_download(), 900), at=NOON)
    job = rules.progress(job, with_bytes(job, 950).files, at=NOON + timedelta(seconds=1))
    assert job.rate_bytes_per_s == 50


def test_a_file_that_is_begun_anew_does_not_make_the_rate_negative():
    job = rules.start(with_bytes(a_download(), 900), at=NOON)
    job = rules.progress(job, with_bytes(job, 10).files, at=NOON + timedelta(seconds=1))
    assert job.rate_bytes_per_s is None
    job = rules.progress(job, with_bytes(job, 60).files, at=NOON + timedelta(seconds=2))
    assert job.rate_bytes_per_s == 50


@pytest.mark.parametrize("status", sorted(set(DownloadStatus) - {DownloadStatus.RUNNING}))
def test_what_does_not_run_has_no_rate(status):
    job = evolve(in_state(status), rate=Rate(bytes_per_s=5.0))
    assert (job.rate_bytes_per_s, job.eta_s) == (None, None)


def test_the_key_is_the_content_wherever_it_comes_from_and_the_source_where_nobody_knows_that():
    sure, unsure = a_file(digest="sha256:ab"), a_file(tag='"1"')
    assert key_of("a", (sure,)) == key_of("b", (sure,))
    assert key_of("a", (unsure,)) != key_of("b", (unsure,))
    assert key_of("a", (unsure,)) != key_of("a", (evolve(unsure, tag='"2"'),))
    assert key_of("a", ()) != key_of("b", ())
    assert key_of("a", (sure, a_file("b"))) == key_of("a", (a_file("b"), sure))
