"""What every `JobStore` promises; a test module per adapter subclasses this and provides the fixture `jobs`."""

import asyncio
from datetime import timedelta

import pytest
from attrs import evolve

from pluggably.application.command import GenerateCommand
from pluggably.application.job_ports import Asked, JobStore
from pluggably.application.transcript import Numbered
from pluggably.domain.access import Limits, Principal, Scope
from pluggably.domain.attempt import Attempt
from pluggably.domain.errors import IdempotencyInProgress, Overloaded
from pluggably.domain.generation import (
    ArtifactPart,
    Completed,
    FinishReason,
    Generation,
    Progress,
    Role,
    SessionRef,
    TextDelta,
    TextPart,
    Timing,
    ToolCallDelta,
    Usage,
    text_message,
)
from pluggably.domain.idempotency import IdempotencyKey
from pluggably.domain.job import GenerationJob, JobFailure, JobStatus
from pluggably.domain.model import Modality, remembered
from pluggably.domain.parameters import ImageParameters, TextParameters
from tests.session_builders import NOON

SOON, LATER = NOON + timedelta(seconds=10), NOON + timedelta(seconds=20)
ALICE = Principal(
    id="alice",
    method="api_key",
    scopes=frozenset({Scope.GENERATE, Scope.MODELS_READ}),
    models=("tiny", "acme/*"),
    limits=Limits(requests_per_minute=1, tokens_per_minute=2, concurrent=3),
    account="key_1",
)
KEY = IdempotencyKey(key="once", fingerprint="f" * 64)


def a_job(number: int = 1, **facts) -> GenerationJob:
    given = {"owner": "alice", "modality": Modality.TEXT, "model": "tiny", "provider": "local"} | facts
    return GenerationJob(id=f"gen_{number}", created_at=NOON + timedelta(seconds=number), **given)


def asked(**facts) -> Asked:
    given = {"modality": Modality.TEXT, "parameters": TextParameters(stop=("x",)), "model": "tiny"} | facts
    command = GenerateCommand(messages=(text_message(Role.USER, "Grüße"),), **given)
    return Asked(command=command, principal=ALICE, request_id="req_1")


def a_result() -> Generation:
    part = ArtifactPart(artifact_id="art_1", media_type="image/png", size_bytes=3, sha256="a" * 64)
    return Generation(
        id="gen_1",
        modality=Modality.TEXT,
        model=remembered("tiny", "local", Modality.TEXT, "v1"),
        result=Completed(
            output=(TextPart("Grüße"), part), finish_reason=FinishReason.STOP, usage=Usage(output_tokens=2), seed=7
        ),
        attempts=(Attempt(provider="local", model="tiny", status="ok", ms=3),),
        created_at=NOON,
        timing=Timing(queue_ms=1, first_output_ms=None, total_ms=3),
        session=SessionRef(id="ses_1", turn=1, version=3),
        state_token="st_secret",
        metadata={"who": "me"},
    )


def pieces(*given, first=2) -> list[Numbered]:
    return [Numbered(first + number, "gen_1", piece) for number, piece in enumerate(given)]


class JobStoreContract:
    """Fixtures to provide: `jobs`, empty, closed afterwards."""

    @pytest.fixture
    def jobs(self) -> JobStore:
        raise NotImplementedError

    async def claim(self, jobs: JobStore, worker="one", now=NOON, **wanted):
        claimed = await jobs.claim(worker, now, now + timedelta(seconds=10), **wanted)
        return claimed[0] if claimed else None

    async def test_what_was_queued_is_given_as_it_was(self, jobs):
        job = a_job(metadata={"who": "me"}, session_id="ses_1", delivery="url")
        await jobs.add(job, asked(session_id="ses_1", metadata={"who": "me"}), 9)
        assert await jobs.get(job.id) == job
        assert await jobs.claim("one", NOON, SOON) == (
            evolve(job, worker="one"),
            asked(session_id="ses_1", metadata={"who": "me"}),
        )

    async def test_the_parameters_of_every_modality_are_kept(self, jobs):
        wanted = asked(modality=Modality.IMAGE, parameters=ImageParameters(width=64, seed=2**60))
        await jobs.add(a_job(modality=Modality.IMAGE), wanted, 9)
        assert (await jobs.claim("one", NOON, SOON))[1] == wanted

    async def test_what_is_not_there_is_none(self, jobs):
        assert await jobs.get("gen_1") is None
        assert await jobs.of_key("alice", "once") is None
        assert await jobs.claim("one", NOON, SOON) is None

    async def test_the_oldest_is_claimed_first_and_once(self, jobs):
        for number in (2, 1, 3):
            await jobs.add(a_job(number), asked(), 9)
        assert [(await self.claim(jobs)).id for _ in range(3)] == ["gen_1", "gen_2", "gen_3"]
        assert await self.claim(jobs, "two") is None

    async def test_many_who_claim_at_once_get_different_ones(self, jobs):
        for number in range(1, 6):
            await jobs.add(a_job(number), asked(), 9)
        claimed = await asyncio.gather(*(self.claim(jobs, f"worker {number}") for number in range(8)))
        assert sorted(job.id for job in claimed if job) == [f"gen_{number}" for number in range(1, 6)]

    async def test_models_that_are_full_are_left_out(self, jobs):
        await jobs.add(a_job(1, model="a"), asked(), 9)
        await jobs.add(a_job(2, model="b"), asked(), 9)
        assert (await self.claim(jobs, but_of=["a", "c"])).id == "gen_2"
        assert await self.claim(jobs, but_of=["a"]) is None

    async def test_the_jobs_of_a_session_come_one_after_the_other(self, jobs):
        for number in (1, 2):
            await jobs.add(a_job(number, session_id="ses_1"), asked(), 9)
        first = await self.claim(jobs)
        assert await self.claim(jobs) is None
        await jobs.begin(first.begun(NOON))
        assert await self.claim(jobs) is None
        await jobs.end(first.begun(NOON).cancelled(NOON))
        assert (await self.claim(jobs)).id == "gen_2"

    async def test_a_claim_that_is_over_is_anybodys(self, jobs):
        await jobs.add(a_job(), asked(), 9)
        await self.claim(jobs)
        assert await self.claim(jobs, "two", SOON - timedelta(microseconds=1)) is None
        assert (await self.claim(jobs, "two", SOON)).worker == "two"
        assert await jobs.begin(a_job(worker="one").begun(SOON)) is False

    async def test_a_claim_that_is_renewed_goes_on(self, jobs):
        await jobs.add(a_job(), asked(), 9)
        job = await self.claim(jobs)
        assert await jobs.renew("one", LATER) == {job.id: False}
        assert await jobs.renew("two", LATER) == {}
        assert await self.claim(jobs, "two", SOON) is None
        await jobs.cancel(job.id)
        assert await jobs.renew("one", LATER) == {job.id: True}

    async def test_a_job_that_is_given_back_waits_until_then(self, jobs):
        await jobs.add(a_job(), asked(), 9)
        job = await self.claim(jobs)
        await jobs.release(job.id, "two", NOON)
        assert await self.claim(jobs, "two") is None
        await jobs.release(job.id, "one", SOON)
        assert await self.claim(jobs, "two", NOON) is None
        assert (await self.claim(jobs, "two", SOON)).worker == "two"

    async def test_a_job_that_runs_is_not_given_back(self, jobs):
        await jobs.add(a_job(), asked(), 9)
        job = await self.claim(jobs)
        assert await jobs.begin(job.begun(NOON)) is True
        await jobs.release(job.id, "one", NOON)
        assert (await jobs.get(job.id)).status is JobStatus.RUNNING

    async def test_the_end_is_kept_and_stays(self, jobs):
        await jobs.add(a_job(metadata={"who": "me"}), asked(), 9)
        job = (await self.claim(jobs)).begun(SOON)
        assert await jobs.begin(job) is True
        ended = job.completed(a_result(), LATER, 17)
        assert await jobs.end(ended) is True
        assert await jobs.get(job.id) == ended
        assert await jobs.end(job.cancelled(LATER)) is False
        assert await jobs.get(job.id) == ended
        assert await jobs.renew("one", LATER) == {}

    async def test_why_it_failed_is_kept(self, jobs):
        await jobs.add(a_job(), asked(), 9)
        tried = (Attempt(provider="studio", model="m", status="overloaded", ms=7),)
        job = (await self.claim(jobs)).failed(Overloaded(detail="Too much.", attempts=tried), NOON, 1)
        assert await jobs.end(job) is True
        kept = await jobs.get(job.id)
        assert kept.failure == JobFailure(
            code="overloaded", detail="Too much.", source="runner", retryable=True, attempts=tried
        )
        assert (kept.status, kept.sequence, kept.ended_at) == (JobStatus.FAILED, 1, NOON)

    async def test_only_whoever_has_it_ends_it(self, jobs):
        await jobs.add(a_job(), asked(), 9)
        await self.claim(jobs)
        assert await jobs.end(a_job(worker="two").cancelled(NOON)) is False
        assert await jobs.end(a_job().cancelled(NOON)) is False
        assert await jobs.end(a_job(worker="one").cancelled(NOON)) is True

    async def test_running_jobs_whose_worker_is_gone_are_abandoned(self, jobs):
        for number in (1, 2):
            await jobs.add(a_job(number), asked(), 9)
        running = (await self.claim(jobs)).begun(NOON)
        await jobs.begin(running)
        await self.claim(jobs)
        assert list(await jobs.abandoned(NOON)) == []
        assert list(await jobs.abandoned(SOON)) == [running]

    async def test_a_queue_has_an_end(self, jobs):
        await jobs.add(a_job(1), asked(), 1)
        with pytest.raises(Overloaded) as refused:
            await jobs.add(a_job(2), asked(), 1)
        assert refused.value.retry_after_s
        await jobs.add(a_job(3, model="other"), asked(), 1)
        running = (await self.claim(jobs)).begun(NOON)
        await jobs.begin(running)
        await jobs.add(a_job(4), asked(), 1)
        assert await jobs.get("gen_2") is None

    async def test_a_key_stands_for_one_job_of_an_owner(self, jobs):
        keyed = evolve(asked(), key=KEY)
        await jobs.add(a_job(1), keyed, 9)
        with pytest.raises(IdempotencyInProgress):
            await jobs.add(a_job(2), keyed, 9)
        await jobs.add(a_job(3, owner="bob"), keyed, 9)
        assert await jobs.of_key("alice", "once") == (a_job(1), KEY)
        assert (await jobs.of_key("bob", "once"))[0].id == "gen_3"

    async def test_the_jobs_of_a_session_are_forgotten(self, jobs):
        await jobs.add(a_job(1, session_id="ses_1"), asked(), 9)
        await jobs.add(a_job(2, session_id="ses_2"), asked(), 9)
        assert await jobs.forget_session("ses_1") == 1
        assert await jobs.forget_session("ses_1") == 0
        assert (await jobs.get("gen_1"), await jobs.get("gen_2")) == (None, a_job(2, session_id="ses_2"))

    async def test_old_jobs_are_forgotten_and_those_that_wait_are_not(self, jobs):
        for number in (1, 2, 3):
            await jobs.add(a_job(number), asked(), 9)
        for at in (NOON, SOON):
            await jobs.end((await self.claim(jobs)).cancelled(at))
        assert await jobs.forget_ended(SOON) == 1
        assert [bool(await jobs.get(f"gen_{number}")) for number in (1, 2, 3)] == [False, True, True]

    async def running(self, jobs: JobStore, **facts) -> GenerationJob:
        await jobs.add(a_job(**facts), asked(session_id=facts.get("session_id")), 9)
        job = (await self.claim(jobs)).begun(NOON)
        assert await jobs.begin(job)
        return job

    async def test_what_a_running_job_gives_can_be_read_from_any_number_on(self, jobs):
        await self.running(jobs)
        first = pieces(TextDelta("Grüße"), ToolCallDelta(index=0, id="call_1", name="look", arguments="{"))
        second = pieces(TextDelta(" an alle"), first=4)
        await jobs.tell(first)
        await jobs.tell(second)
        assert [*await jobs.told("gen_1", 0)] == first + second
        assert [*await jobs.told("gen_1", 2)] == [first[1], *second]
        assert [*await jobs.told("gen_1", 4)] == []
        assert await jobs.latest("gen_1") == second[0]
        assert await jobs.latest("gen_2") is None

    async def test_progress_gives_way_to_what_comes_after_it(self, jobs):
        await self.running(jobs)
        told = pieces(TextDelta("a"), Progress(1, 9), Progress(2, 9, eta_s=1.5, preview=b"\x89PNG"), TextDelta("b"))
        await jobs.tell(told[:2])
        assert [*await jobs.told("gen_1", 0)] == told[:2]
        await jobs.tell(told[2:3])
        assert [*await jobs.told("gen_1", 0)] == [told[0], told[2]]
        await jobs.tell(told[3:])
        assert [*await jobs.told("gen_1", 0)] == [told[0], told[3]]

    async def test_what_was_told_outlives_its_job_until_it_is_forgotten(self, jobs):
        job = await self.running(jobs)
        told = pieces(TextDelta("a"))
        await jobs.tell(told)
        await jobs.end(job.completed(a_result(), SOON, 3))
        await jobs.forget_told(SOON)
        assert [*await jobs.told("gen_1", 0)] == told
        await jobs.forget_told(LATER)
        assert [*await jobs.told("gen_1", 0)] == []
        assert await jobs.get("gen_1")

    async def test_nothing_more_is_told_of_a_job_that_has_ended_or_is_forgotten(self, jobs):
        job = await self.running(jobs, session_id="ses_1")
        await jobs.tell(pieces(TextDelta("a")))
        await jobs.end(job.cancelled(NOON, 3))
        await jobs.tell(pieces(TextDelta("b"), first=3))
        assert [*await jobs.told("gen_1", 0)] == pieces(TextDelta("a"))
        await jobs.forget_session("ses_1")
        await jobs.tell(pieces(TextDelta("c"), first=4))
        assert [*await jobs.told("gen_1", 0)] == []

    async def test_those_that_wait_and_those_that_run_are_counted(self, jobs):
        assert await jobs.waiting_and_running() == (0, 0)
        for number in range(1, 5):
            await jobs.add(a_job(number), asked(), 10)
        for end in (False, True):
            job, _ = await jobs.claim("one", NOON, SOON)
            assert await jobs.begin(job.begun(NOON))
            if end:
                await jobs.end(job.begun(NOON).cancelled(NOON))
        assert await jobs.waiting_and_running() == (2, 1)
