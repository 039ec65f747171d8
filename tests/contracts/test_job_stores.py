import pytest

from pluggably.adapters.database.postgres import PostgresDatabase
from pluggably.adapters.database.sqlite import SqliteDatabase
from pluggably.adapters.jobs.store import SqlJobStore
from pluggably.adapters.memory.jobs import MemoryJobStore
from pluggably.domain.errors import GatewayError

from .job_store import NOON, SOON, JobStoreContract, a_job, a_result, asked

KEY = b"k" * 32


class TestMemoryJobs(JobStoreContract):
    @pytest.fixture
    def jobs(self):
        return MemoryJobStore()

    async def test_a_process_that_has_just_started_ends_every_claim(self, jobs):
        await _claims_end(jobs)


class TestSqliteJobs(JobStoreContract):
    @pytest.fixture
    async def database(self, tmp_path):
        database = SqliteDatabase(tmp_path / "gateway.sqlite")
        yield database
        await database.close()

    @pytest.fixture
    def jobs(self, database):
        return SqlJobStore(database, KEY, alone=True)

    async def test_a_process_that_has_just_started_ends_every_claim(self, jobs):
        await _claims_end(jobs)

    async def test_nothing_that_was_said_can_be_read_without_the_key(self, jobs, database, tmp_path):
        await jobs.add(a_job(metadata={"who": "Grüße"}), asked(), 9)
        job = (await self.claim(jobs)).begun(NOON)
        await jobs.begin(job)
        assert "Grüße".encode() not in _bytes_in(tmp_path)
        await jobs.end(job.completed(a_result(), NOON, 3))
        assert "Grüße".encode() not in _bytes_in(tmp_path)
        with pytest.raises(GatewayError, match="not its key"):
            await SqlJobStore(database, b"o" * 32, alone=True).get(job.id)


class TestPostgresJobs(JobStoreContract):
    @pytest.fixture
    async def jobs(self, database):
        opened = PostgresDatabase(database)
        yield SqlJobStore(opened, KEY, alone=False)
        await opened.close()

    async def test_a_process_that_starts_leaves_the_claims_of_others_alone(self, jobs):
        await jobs.add(a_job(), asked(), 9)
        await self.claim(jobs)
        await jobs.disown()
        assert await self.claim(jobs, "two") is None


async def _claims_end(jobs) -> None:
    for number in (1, 2):
        await jobs.add(a_job(number), asked(), 9)
    running = (await jobs.claim("one", NOON, SOON))[0].begun(NOON)
    await jobs.begin(running)
    await jobs.claim("one", NOON, SOON)
    await jobs.disown()
    assert [job.id for job in await jobs.abandoned(NOON)] == ["gen_1"]
    assert (await jobs.claim("two", NOON, SOON))[0].id == "gen_2"


def _bytes_in(folder) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())
