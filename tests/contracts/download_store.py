"""What every `DownloadStore` promises; a test module per adapter subclasses this and provides the fixture `store`."""

import asyncio
from datetime import timedelta

import pytest
from attrs import evolve

from pluggably.application.download_ports import DownloadStore, Lease
from pluggably.domain import download as rules
from pluggably.domain.download import DownloadStatus, FileStatus, WantedModel
from pluggably.domain.model import Modality
from tests.download_builders import a_download, a_file, in_state
from tests.session_builders import NOON

SOON = NOON + timedelta(seconds=10)
LATE = NOON + timedelta(seconds=20)
NOT_ENDED = (DownloadStatus.QUEUED, DownloadStatus.RUNNING, DownloadStatus.VERIFYING, DownloadStatus.PAUSED)


def lease(worker: str = "one", until=SOON) -> Lease:
    return Lease(worker=worker, until=until)


class DownloadStoreContract:
    """Fixtures to provide: `store`, closed afterwards."""

    @pytest.fixture
    def store(self) -> DownloadStore:
        raise NotImplementedError

    async def test_what_was_added_is_got_as_it_was(self, store):
        full = a_file("ä/b.json", digest="sha256:ab", tag='"t"', bytes_done=3, status=FileStatus.RUNNING)
        facts = {"wanted": WantedModel(id="x", modality=Modality.IMAGE), "revision": "r", "license": "mit"}
        job = a_download("dl_1", full, a_file(), **facts)
        assert await store.add(job) == job
        assert await store.get("dl_1") == job
        assert await store.get("dl_2") is None

    @pytest.mark.parametrize("status", DownloadStatus)
    async def test_only_one_of_the_same_content_is_there_until_it_has_ended(self, store, status):
        first = await store.save(in_state(status, await store.add(a_download("dl_1"))))
        second = await store.add(a_download("dl_2"))
        assert second.id == ("dl_1" if status in NOT_ENDED else "dl_2")
        assert await store.of_key("k" * 64) == (first if status in NOT_ENDED else second)
        assert (await store.add(a_download("dl_3", key="other"))).id == "dl_3"

    async def test_one_of_many_that_come_at_once_is_added(self, store):
        added = await asyncio.gather(*(store.add(a_download(f"dl_{number}")) for number in range(8)))
        assert len({it.id for it in added}) == 1

    async def test_the_newest_come_first_a_page_at_a_time(self, store):
        for number in (2, 1, 3):
            await store.add(a_download(f"dl_{number}", key=f"k{number}"))
        assert [it.id for it in await store.list(limit=2)] == ["dl_3", "dl_2"]
        assert [it.id for it in await store.list(limit=2, before="dl_2")] == ["dl_1"]

    async def test_the_oldest_that_waits_is_given_to_one(self, store):
        for number in (2, 1):
            await store.add(a_download(f"dl_{number}", key=f"k{number}"))
        given = [await store.claim(lease(), NOON) for _ in range(3)]
        assert [it and (it.id, it.status) for it in given] == [("dl_1", "running"), ("dl_2", "running"), None]
        assert await store.get("dl_1") == given[0]

    async def test_of_many_that_ask_at_once_each_is_given_another(self, store):
        for number in range(4):
            await store.add(a_download(f"dl_{number}", key=f"k{number}"))
        given = await asyncio.gather(*(store.claim(lease(f"worker {number}"), NOON) for number in range(8)))
        assert sorted(it.id for it in given if it) == [f"dl_{number}" for number in range(4)]

    async def test_a_lease_that_is_over_can_be_had_by_another(self, store):
        await store.add(a_download())
        mine = await store.claim(lease(), NOON)
        assert await store.claim(lease("two"), SOON - timedelta(microseconds=1)) is None
        theirs = await store.claim(lease("two", LATE), SOON)
        assert theirs.id == mine.id
        assert await store.save(rules.verify(mine, at=SOON), lease()) is None
        assert await store.save(theirs, lease("two", LATE)) is not None

    async def test_whoever_stores_how_far_it_is_keeps_it(self, store):
        await store.add(a_download())
        mine = await store.claim(lease(), NOON)
        kept = await store.save(rules.progress(mine, (a_file(bytes_done=7),), at=SOON), lease(until=LATE))
        assert await store.claim(lease("two"), SOON) is None
        assert await store.get("dl_1") == kept
        assert (kept.bytes_done, kept.version) == (7, mine.version + 1)

    @pytest.mark.parametrize("status", sorted(set(DownloadStatus) - {DownloadStatus.QUEUED}))
    async def test_what_does_not_wait_is_given_to_nobody(self, store, status):
        await store.save(in_state(status, await store.add(a_download())), lease())
        assert await store.claim(lease("two"), NOON) is None

    async def test_nobody_changes_what_somebody_else_has_changed(self, store):
        job = await store.add(a_download())
        paused = await store.save(rules.pause(job, at=NOON))
        assert await store.save(rules.cancel(job, at=NOON)) is None
        assert await store.get("dl_1") == paused

    async def test_leases_of_processes_that_are_gone_can_be_ended(self, store):
        await store.add(a_download())
        await store.claim(lease(), NOON)
        await store.end_leases()
        assert (await store.claim(lease("two"), NOON)).id == "dl_1"

    async def test_what_is_deleted_is_gone(self, store):
        job = await store.add(a_download())
        await store.delete("dl_1")
        await store.delete("dl_1")
        assert await store.get("dl_1") is None
        assert await store.save(job) is None

    async def test_keys_are_those_of_downloads_that_can_go_on(self, store):
        for status in DownloadStatus:
            job = await store.add(a_download(f"dl_{status}", key=status.value))
            await store.save(evolve(in_state(status, job)))
        ended = {"completed", "cancelled"}
        assert set(await store.keys()) == {it.value for it in DownloadStatus} - ended

    async def test_those_that_have_not_ended_are_counted(self, store):
        for status in DownloadStatus:
            job = await store.add(a_download(f"dl_{status}", key=status.value))
            await store.save(evolve(in_state(status, job)))
        assert {str(status): number for status, number in (await store.numbers()).items()} == {
            "queued": 1,
            "running": 1,
            "verifying": 1,
            "paused": 1,
        }
